/* limit.h - the limits of a run: one table for the API's fields, the command line and the documentation */
#ifndef LIMIT_H
#define LIMIT_H

#include <stddef.h>
#include <stdint.h>

/* In the units of the names: ms, KB (1,024 bytes), or a count. 0 in a struct that is being filled: not given. */
struct limits {
	uint64_t time_ms, wall_time_ms, mem_kb, fsize_kb, nofile, stack_kb, procs, disk_kb, output_kb;
};

enum limit_id {
	LIMIT_TIME, LIMIT_WALL_TIME, LIMIT_MEM, LIMIT_FSIZE, LIMIT_NOFILE, LIMIT_STACK, LIMIT_PROCS,
	LIMIT_DISK, LIMIT_OUTPUT, LIMITS_LEN
};

struct limit_field {
	const char *name;		/* in JSON: "wall_time" */
	const char *option;		/* on the command line: "wall-time" */
	size_t offset;			/* in struct limits */
	uint64_t standard;		/* what a run gets that does not say; 0: worked out (wall_time) */
	uint64_t greatest;		/* that the kernel can be told, or that we can hold */
	const char *unit, *help;
};

extern const struct limit_field limit_fields[LIMITS_LEN];

uint64_t limits_get(const struct limits *limits, enum limit_id id);
void limits_set(struct limits *limits, enum limit_id id, uint64_t value);
/* What is not given is taken from `defaults` (may be NULL), then from the table. wall_time becomes 60,000 ms, or twice
 * `time` where that is more, unless it is given in one of them. */
void limits_resolve(struct limits *limits, const struct limits *defaults);

#endif
