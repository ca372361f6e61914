/* limit.c - the table of limits. Knows numbers and names, touches nothing. */
#include "limit.h"

enum { WALL_TIME_LEAST_MS = 60000 };

#define OFFSET(member) offsetof(struct limits, member)

/* The greatest values are what the kernel takes: times that fit ns in int64_t, sizes that fit bytes in int64_t and page
 * counters, descriptors below the usual fs.nr_open. */
const struct limit_field limit_fields[LIMITS_LEN] = {
	[LIMIT_TIME] = { "time", "time", OFFSET(time_ms), 5000, 1000000000,
		"MS", "CPU time of the whole process tree" },
	[LIMIT_WALL_TIME] = { "wall_time", "wall-time", OFFSET(wall_time_ms), 0, 1000000000,
		"MS", "elapsed time (default: 60000, or twice --time where that is more)" },
	[LIMIT_MEM] = { "mem", "mem", OFFSET(mem_kb), 2097152, 1ull << 42,
		"KB", "memory of the whole process tree" },
	[LIMIT_FSIZE] = { "fsize", "fsize", OFFSET(fsize_kb), 10240, 1ull << 42,
		"KB", "largest file that a process may write" },
	[LIMIT_NOFILE] = { "nofile", "nofile", OFFSET(nofile), 64, 1048576,
		"N", "open files of a process" },
	[LIMIT_STACK] = { "stack", "stack", OFFSET(stack_kb), 8192, 1ull << 42,
		"KB", "stack of the main thread" },
	[LIMIT_PROCS] = { "procs", "procs", OFFSET(procs), 128, 4194304,
		"N", "processes and threads" },
	[LIMIT_DISK] = { "disk", "disk", OFFSET(disk_kb), 262144, 1ull << 42,
		"KB", "everything that is kept in the sandbox's file system" },
	[LIMIT_OUTPUT] = { "output", "output", OFFSET(output_kb), 1024, 65536,
		"KB", "stdout, and stderr, that is kept; more is read and dropped" },
};

uint64_t
limits_get(const struct limits *limits, enum limit_id id)
{
	return *(const uint64_t *)(const void *)((const char *)limits + limit_fields[id].offset);
}

void
limits_set(struct limits *limits, enum limit_id id, uint64_t value)
{
	*(uint64_t *)(void *)((char *)limits + limit_fields[id].offset) = value;
}

void
limits_resolve(struct limits *limits, const struct limits *defaults)
{
	for (int i = 0; i < LIMITS_LEN; i++) {
		enum limit_id id = (enum limit_id)i;
		if (limits_get(limits, id) == 0 && defaults)
			limits_set(limits, id, limits_get(defaults, id));
		if (limits_get(limits, id) == 0)
			limits_set(limits, id, limit_fields[id].standard);
	}
	if (limits->wall_time_ms == 0) {
		limits->wall_time_ms = WALL_TIME_LEAST_MS;
		if (limits->time_ms * 2 > limits->wall_time_ms)
			limits->wall_time_ms = limits->time_ms * 2;
	}
	if (limits->wall_time_ms > limit_fields[LIMIT_WALL_TIME].greatest)
		limits->wall_time_ms = limit_fields[LIMIT_WALL_TIME].greatest;
}
