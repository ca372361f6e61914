/* cgroup.c - control groups: the groups of runs, their limits and their figures
 *
 * The launcher has one group of its own in each hierarchy that it uses (in v2 there is one), and
 * in that one for each run. Where these are is found by cgroup_v1.c and cgroup_v2.c; here
 * everything is reached by kept descriptors, and a table says which file of which version serves
 * for what.
 *
 * Whose limit an OOM kill was for. v2 counts in memory.events: `oom_kill` in the group of the
 * process that was killed, `oom` in the group whose limit was hit: a kill without `oom` was for
 * a limit above. v1 has no such count. Its eventfd is notified in the group whose limit was hit
 * and in all below it, so that what came to this group's and not to the parent's was its own;
 * the whole host's OOM killer notifies nobody. Without eventfd (PREEMPT_RT) the peak decides: a
 * kill in a group that was never near its limit was for another's. (memory.memsw.failcnt would
 * say the same, but Linux 6.18 leaves it at 0.)
 *
 * Figures start from what is there: a group that is used again, or that pid 1 is in already, has
 * memory charged to it; the limit is raised by that, and it is taken off what is reported.
 *
 * Files in a tmpfs stay charged to the group that wrote them, and a group that is removed before
 * they are stays in the kernel as 100 to 150 KB. So the groups of a session's runs are its own once
 * they hold much: they rest on a shelf, without descriptors, until its next run or its end. A run that
 * deletes what others have left would have that much more than its limit: therefore what is left in
 * the group that it gets is an eighth of its limit at most, or LEFT_MAX. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_private.h"

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

enum {
	LARGE = 1 << 30,		/* bytes: a limit from which on … */
	SMALL = 64 << 20,		/* below it a sandbox may not be made */
	LARGE_SLACK = 512 << 10,	/* … so much more does not count */
	LEFT_MAX = 1 << 20,		/* bytes charged to a group that may be used again by anybody */
	LEFT_OWN_MAX = 16 << 20,	/* by its session */
	RESTING_MAX = 1024,		/* the kernel has 65,535 memory cgroups */
	TRIES_MAX = 4,			/* on a shelf: those that hold too much are looked at again in turn */
	/* Bytes below a limit where a charge can fail and call the OOM killer; larger do not. */
	NEAR = 1 << 20,
	CLOSE_MS = 1000,
	REMOVE_DEAD_MS = 1000,
	UNKNOWN = 1,			/* a limit of memory; no real one, for those are whole KB at least */
	TICK_CALLS = 1 << 20,		/* take longer than any kernel's tick */
	PROBE_MEM_KB = 64 << 10,
	PROBE_PROCS = 16,
	TEXT_MAX = 2048,		/* of the longest file: cpu.stat, memory.events */
};

#define SPENT UINT64_MAX
#define BYTES_MAX ((uint64_t)INT64_MAX)	/* v1 takes no more; as good as no limit */

enum file {
	MEM_LIMIT, MEM_SWAP_LIMIT, MEM_SOCKETS_LIMIT, MEM_USAGE, MEM_PEAK, MEM_EVENTS, MEM_STAT,
	CPU_TIME, CPU_USER, CPU_SYSTEM, PIDS_LIMIT, PIDS_USAGE, KILL, FILES
};

struct cgroup_group {
	struct cgroup_group *next, **link;	/* of the open ones, or the busy ones */
	struct cgroup_group *rest;		/* behind it on its shelf */
	struct cgroup *cgroup;			/* NULL: this one does nothing */
	char name[24];
	int procs[CGROUP_CONTROLLERS];		/* cgroup.procs, or tasks, by hierarchy */
	int directory;				/* v2 */
	size_t procs_len;
	int files[FILES];
	int oom_event;				/* v1: eventfd */
	uint64_t mem_limit, pids_limit;		/* as written last; 0: never, mem_limit UNKNOWN: perhaps */
	uint64_t ooms;				/* v1: notifications so far */
	bool peak_reset;			/* the peak was reset by this cgroup_begin */
	bool again;				/* since the last final figures only pid 1 was inside, idle */
	struct figures {
		uint64_t cpu, cpu_user, cpu_system;	/* ns */
		uint64_t mem, peak;			/* bytes */
		uint64_t oom_kills, own_ooms, host_ooms;
	} start, last;				/* last: what the latest cgroup_read found, if it was final */
	uint64_t sampled;			/* the largest usage seen, bytes */
};

struct cgroup {
	enum cgroup_kind kind;
	struct cgroup_hierarchy hierarchies[CGROUP_CONTROLLERS];
	size_t hierarchies_len;
	struct cgroup_moved moved;
	struct cgroup_group *open, *busy;
	size_t resting;
	struct cgroup_group *probed;	/* what it was tried by: the first that is asked for */
	bool swap_files;	/* v1: memory.memsw.* */
	int oom_event;		/* v1: eventfd of our group: limits above the runs' own */
	uint64_t ooms;
	unsigned long long number;
};

static const struct file_row {
	enum cgroup_controller controller;
	int flags;
	/* v1_swap: instead of v1 where swap is accounted; its figures hold memory and swap. */
	const char *v2, *v1, *v1_swap;
} rows[FILES] = {
	[MEM_LIMIT] = { CGROUP_MEMORY, O_RDWR, "memory.max", "memory.limit_in_bytes", NULL },
	[MEM_SWAP_LIMIT] = { CGROUP_MEMORY, O_RDWR, NULL, NULL, "memory.memsw.limit_in_bytes" },
	/* v1 counts what lies in sockets of TCP and UDP only where it is limited, and beside all else. */
	[MEM_SOCKETS_LIMIT] = { CGROUP_MEMORY, O_RDWR, NULL, "memory.kmem.tcp.limit_in_bytes", NULL },
	[MEM_USAGE] = { CGROUP_MEMORY, O_RDONLY, "memory.current", "memory.usage_in_bytes",
	    "memory.memsw.usage_in_bytes" },
	[MEM_PEAK] = { CGROUP_MEMORY, O_RDWR, "memory.peak", "memory.max_usage_in_bytes",
	    "memory.memsw.max_usage_in_bytes" },
	[MEM_EVENTS] = { CGROUP_MEMORY, O_RDONLY, "memory.events", "memory.oom_control", NULL },
	[MEM_STAT] = { CGROUP_MEMORY, O_RDONLY, "memory.stat", NULL, NULL },
	[CPU_TIME] = { CGROUP_CPUACCT, O_RDONLY, "cpu.stat", "cpuacct.usage", NULL },
	[CPU_USER] = { CGROUP_CPUACCT, O_RDONLY, NULL, "cpuacct.usage_user", NULL },
	[CPU_SYSTEM] = { CGROUP_CPUACCT, O_RDONLY, NULL, "cpuacct.usage_sys", NULL },
	[PIDS_LIMIT] = { CGROUP_PIDS, O_RDWR, "pids.max", "pids.max", NULL },
	[PIDS_USAGE] = { CGROUP_PIDS, O_RDONLY, "pids.current", "pids.current", NULL },
	[KILL] = { CGROUP_CPUACCT, O_WRONLY, "cgroup.kill", NULL, NULL },
};

/* Lists */

static void group_link(struct cgroup_group **list, struct cgroup_group *group)
{
	group->next = *list;
	group->link = list;
	if (group->next)
		group->next->link = &group->next;
	*list = group;
}

static void group_unlink(struct cgroup_group *group)
{
	*group->link = group->next;
	if (group->next)
		group->next->link = group->link;
}

/* Making and removing */

/* Our own group in the hierarchy of a controller, or -1. */
static int base_of(const struct cgroup *cgroup, enum cgroup_controller controller)
{
	for (size_t i = 0; i < cgroup->hierarchies_len; i++)
		if (cgroup->hierarchies[i].controllers & 1u << controller)
			return cgroup->hierarchies[i].base;
	return -1;
}

/* Registers an eventfd for OOM in a v1 memory group: -1 where the kernel has none. */
static int oom_event_open(int base, const char *name)
{
	char path[64], text[32];
	int event = -1, control;

	snprintf(path, sizeof(path), "%s/memory.oom_control", name);
	control = openat(base, path, O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return -1;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event >= 0) {
		snprintf(path, sizeof(path), "%s/cgroup.event_control", name);
		snprintf(text, sizeof(text), "%d %d", event, control);
		if (cgroup_write_at(base, path, text) < 0)
			cgroup_close_fd(&event);
	}
	close(control);
	return event;
}

/* Adds what came to an eventfd since. */
static void oom_event_count(int event, uint64_t *count)
{
	uint64_t n;

	if (event >= 0 && read(event, &n, sizeof(n)) == sizeof(n))
		*count += n;
}

static int group_rmdir(const struct cgroup_group *group)
{
	const struct cgroup *cgroup = group->cgroup;
	int result = 0;

	for (size_t i = 0; i < cgroup->hierarchies_len; i++)
		if (unlinkat(cgroup->hierarchies[i].base, group->name, AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			result = -errno;
	return result;
}

static void group_close_files(struct cgroup_group *group)
{
	for (size_t i = 0; i < group->procs_len; i++)
		cgroup_close_fd(&group->procs[i]);
	for (size_t i = 0; i < FILES; i++)
		cgroup_close_fd(&group->files[i]);
	cgroup_close_fd(&group->oom_event);
	cgroup_close_fd(&group->directory);
}

static void group_open_file(struct cgroup_group *group, enum file file)
{
	const struct cgroup *cgroup = group->cgroup;
	const struct file_row *row = &rows[file];
	const char *name = row->v2;
	int base = base_of(cgroup, row->controller);
	char path[80];

	if (cgroup->kind == CGROUP_V1)
		name = row->v1_swap && cgroup->swap_files ? row->v1_swap : row->v1;
	if (!name || base < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", group->name, name);
	group->files[file] = openat(base, path, row->flags | O_CLOEXEC);
	/* A peak that cannot be reset is still one. */
	if (group->files[file] < 0 && file == MEM_PEAK)
		group->files[file] = openat(base, path, O_RDONLY | O_CLOEXEC);
}

/* Makes it, or wakes it. */
static int group_open_files(struct cgroup_group *group)
{
	struct cgroup *cgroup = group->cgroup;
	char path[80];

	for (size_t i = 0; i < cgroup->hierarchies_len; i++) {
		int base = cgroup->hierarchies[i].base;

		if (mkdirat(base, group->name, 0755) < 0 && errno != EEXIST)	/* it has rested */
			return -errno;
		/* To move a whole process the kernel waits until no other is being made, for 10 ms and more; it does not for
		 * a thread that moves itself. Who enters has one, and v2 can have it made inside (cgroup_clone). */
		snprintf(path, sizeof(path), "%s/%s", group->name,
		    cgroup->kind == CGROUP_V1 ? "tasks" : "cgroup.procs");
		group->procs[i] = openat(base, path, O_RDWR | O_CLOEXEC);
		if (group->procs[i] < 0)
			return -errno;
	}
	if (cgroup->kind == CGROUP_V2)
		group->directory = openat(cgroup->hierarchies[0].base, group->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < FILES; i++) {
		group_open_file(group, (enum file)i);
		/* What was there at start is there now: only descriptors can be lacking. */
		if (group->files[i] < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
			return -errno;
	}
	if (base_of(cgroup, CGROUP_MEMORY) < 0)
		return 0;
	if (cgroup->kind == CGROUP_V1) {
		group->oom_event = oom_event_open(base_of(cgroup, CGROUP_MEMORY), group->name);
		return 0;
	}
	/* Neither is there in every kernel; what is lacking is found by the probe. */
	snprintf(path, sizeof(path), "%s/memory.swap.max", group->name);
	cgroup_write_at(cgroup->hierarchies[0].base, path, "0");
	snprintf(path, sizeof(path), "%s/memory.oom.group", group->name);
	cgroup_write_at(cgroup->hierarchies[0].base, path, "1");
	return 0;
}

int cgroup_group_open(struct cgroup *cgroup, struct cgroup_group **result)
{
	struct cgroup_group *group = cgroup->probed;
	int error;

	cgroup->probed = NULL;
	*result = group;
	if (group && cgroup_reusable(group))
		return 0;
	cgroup_group_close(group);
	*result = NULL;
	group = calloc(1, sizeof(*group));
	if (!group)
		return -ENOMEM;
	for (size_t i = 0; i < FILES; i++)
		group->files[i] = -1;
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		group->procs[i] = -1;
	group->oom_event = group->directory = -1;
	if (cgroup->kind != CGROUP_NONE) {
		group->cgroup = cgroup;
		group->procs_len = cgroup->hierarchies_len;
		snprintf(group->name, sizeof(group->name), "%llu", cgroup->number++);
		errno = 0;
		error = group_open_files(group);
		group_link(&cgroup->open, group);
		if (error < 0) {
			cgroup_group_close(group);
			return error;
		}
	}
	*result = group;
	return 0;
}

void cgroup_group_close(struct cgroup_group *group)
{
	if (!group)
		return;
	group_close_files(group);
	if (group->cgroup) {
		group_unlink(group);
		if (group_rmdir(group) < 0) {
			group_link(&group->cgroup->busy, group);
			return;
		}
	}
	free(group);
}

size_t cgroup_sweep(struct cgroup *cgroup)
{
	size_t n = 0;

	for (struct cgroup_group *group = cgroup->busy, *next; group; group = next) {
		next = group->next;
		if (group_rmdir(group) < 0) {
			n++;
			continue;
		}
		group_unlink(group);
		free(group);
	}
	return n;
}

/* Limits and figures */

/* Any order of two limits, one of which may never be below the other, is right if the higher one
 * is lifted first. */
static int set_memory(struct cgroup_group *group, uint64_t limit)
{
	int swap = group->files[MEM_SWAP_LIMIT], result = 0;

	/* What was left here before differs from run to run by some KB. Of a large limit that is nothing: a little more than asked
	 * for is let stand, and saves three writes. */
	uint64_t slack = limit >= LARGE ? LARGE_SLACK : 0;

	if (group->files[MEM_LIMIT] < 0 || (group->mem_limit >= limit && group->mem_limit - limit <= slack))
		return 0;
	limit += slack / 2;
	group->mem_limit = UNKNOWN;
	if (swap >= 0)
		result = cgroup_write(swap, "-1");
	if (result == 0)
		result = cgroup_write_number(group->files[MEM_LIMIT], limit);
	if (result == 0 && swap >= 0)
		result = cgroup_write_number(swap, limit);
	if (result == 0 && group->files[MEM_SOCKETS_LIMIT] >= 0)
		result = cgroup_write_number(group->files[MEM_SOCKETS_LIMIT], limit);
	if (result == 0)
		group->mem_limit = limit;
	return result;
}

void cgroup_lift(struct cgroup_group *group)
{
	if (group->mem_limit && group->mem_limit < SMALL)
		(void)set_memory(group, BYTES_MAX);
}

static int set_pids(struct cgroup_group *group, uint64_t limit)
{
	uint64_t used;
	int result;

	if (group->files[PIDS_LIMIT] < 0 || group->pids_limit == limit)
		return 0;
	result = cgroup_number(group->files[PIDS_USAGE], &used);
	if (result == 0 && used > limit)
		result = -EBUSY;
	if (result < 0)
		return result;
	group->pids_limit = 0;
	/* The kernel refuses more than it has pids for (4 Mi): the same as no limit. */
	result = limit >= 4 << 20 ? cgroup_write(group->files[PIDS_LIMIT], "max") :
	    cgroup_write_number(group->files[PIDS_LIMIT], limit);
	if (result == 0)
		group->pids_limit = limit;
	return result;
}

static int read_cpu(const struct cgroup_group *group, struct figures *now, bool final)
{
	char text[TEXT_MAX];
	int result;

	if (group->files[CPU_TIME] < 0)
		return 0;
	if (group->cgroup->kind == CGROUP_V2) {
		result = text_pread(group->files[CPU_TIME], text, sizeof(text));
		if (result < 0)
			return result;
		now->cpu = cgroup_field(text, "usage_usec") * 1000;
		now->cpu_user = cgroup_field(text, "user_usec") * 1000;
		now->cpu_system = cgroup_field(text, "system_usec") * 1000;
		return 0;
	}
	result = cgroup_number(group->files[CPU_TIME], &now->cpu);
	if (final && group->files[CPU_USER] >= 0 && result == 0)
		result = cgroup_number(group->files[CPU_USER], &now->cpu_user);
	if (final && group->files[CPU_SYSTEM] >= 0 && result == 0)
		result = cgroup_number(group->files[CPU_SYSTEM], &now->cpu_system);
	return result;
}

static int read_memory(struct cgroup_group *group, struct figures *now, bool final)
{
	struct cgroup *cgroup = group->cgroup;
	char text[TEXT_MAX];
	int result;

	if (group->files[MEM_USAGE] < 0)
		return 0;
	result = cgroup_number(group->files[MEM_USAGE], &now->mem);
	if (!final || result < 0)
		return result;
	if (group->files[MEM_PEAK] >= 0)
		result = cgroup_number(group->files[MEM_PEAK], &now->peak);
	/* The parent's first: a notification between the two is then taken for the run's own,
	 * not the host's. */
	oom_event_count(cgroup->oom_event, &cgroup->ooms);
	oom_event_count(group->oom_event, &group->ooms);
	now->own_ooms = group->ooms;
	now->host_ooms = cgroup->ooms;
	if (result == 0 && group->files[MEM_EVENTS] >= 0)
		result = text_pread(group->files[MEM_EVENTS], text, sizeof(text));
	if (result > 0) {
		now->oom_kills = cgroup_field(text, "oom_kill");
		if (cgroup->kind == CGROUP_V2)
			now->own_ooms = cgroup_field(text, "oom");
	}
	return result < 0 ? result : 0;
}

static bool own_limit_was_hit(const struct cgroup_group *group, const struct figures *now)
{
	const struct figures *start = &group->start;
	uint64_t limit = group->mem_limit, near = limit / 8 < NEAR ? limit / 8 : NEAR;

	if (group->cgroup->kind == CGROUP_V2)
		return now->own_ooms > start->own_ooms;
	if (group->oom_event >= 0 && group->cgroup->oom_event >= 0)
		return now->own_ooms - start->own_ooms > now->host_ooms - start->host_ooms;
	return group->sampled >= limit - near;
}

int cgroup_begin(struct cgroup_group *group, const struct cgroup_limits *limits)
{
	struct figures *start = &group->start;
	uint64_t limit;
	int result;

	if (!group->cgroup)
		return 0;
	bool again = group->again;
	*start = again ? group->last : (struct figures){ 0 };
	group->again = false;
	/* First, for they are this run's also where a limit cannot be set. Where only pid 1 was since, what counts kills and ticks
	 * has not moved, or by nothing that shows. */
	result = read_cpu(group, start, !again);
	if (result == 0)
		result = read_memory(group, start, !again);
	if (result < 0)
		return result;
	group->sampled = start->mem;
	if (__builtin_mul_overflow(limits->mem_kb, 1024, &limit) || limit > BYTES_MAX - start->mem)
		limit = BYTES_MAX;
	else
		limit += start->mem;
	result = set_pids(group, limits->procs);
	if (result == 0)
		result = set_memory(group, limit);
	group->peak_reset =
	    group->files[MEM_PEAK] >= 0 && cgroup_write(group->files[MEM_PEAK], "0") == 0;
	return result;
}

int cgroup_enter(const struct cgroup_group *group)
{
	for (size_t i = 0; i < group->procs_len; i++)
		if (write(group->procs[i], "0", 1) != 1)
			return -errno;
	return 0;
}

int cgroup_attach(const struct cgroup_group *group, pid_t pid)
{
	int result = 0;

	for (size_t i = 0; i < group->procs_len && result == 0; i++)
		result = cgroup_write_number(group->procs[i], (uint64_t)pid);
	return result;
}

pid_t cgroup_clone(const struct cgroup_group *group, unsigned long flags, int *pidfd, bool *entered)
{
	struct {			/* struct clone_args of Linux 5.7 */
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
		    set_tid, set_tid_size, cgroup;
	} into = {
		.flags = flags | 1ull << 33 /* CLONE_INTO_CGROUP */, .pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD, .cgroup = (uint64_t)group->directory,
	};
	long pid = -1;

	/* In memory that the child has a copy of. */
	*entered = group->directory >= 0;
	if (*entered)
		pid = syscall(SYS_clone3, &into, sizeof(into));
	if (pid < 0) {	/* not everywhere known, or allowed */
		*entered = false;
		pid = syscall(SYS_clone, flags | SIGCHLD, 0, pidfd, 0, 0);
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

/* The kernel's total is exact; how it divides is counted by ticks in v1, so that total is
 * divided as they are. */
static void divide_cpu(
    struct cgroup_usage *usage, const struct figures *start, const struct figures *now)
{
	uint64_t user = now->cpu_user - start->cpu_user,
		 system = now->cpu_system - start->cpu_system;

	if (now->cpu_user < start->cpu_user)
		user = 0;
	if (now->cpu_system < start->cpu_system)
		system = 0;
	usage->user_ns = usage->cpu_ns;
	if (system)
		usage->user_ns = (uint64_t)((double)usage->cpu_ns *
		    ((double)user / ((double)user + (double)system)));
	usage->system_ns = usage->cpu_ns - usage->user_ns;
}

static uint64_t since(uint64_t now, uint64_t start)
{
	return now > start ? now - start : 0;
}

static uint64_t kb(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

int cgroup_read(struct cgroup_group *group, struct cgroup_usage *usage, bool final)
{
	const struct figures *start = &group->start;
	struct figures now = { 0 };
	int result;

	*usage = (struct cgroup_usage){ 0 };
	if (!group->cgroup)
		return 0;
	result = read_cpu(group, &now, final);
	if (result == 0)
		result = read_memory(group, &now, final);
	if (result < 0)
		return result;
	usage->cpu_ns = since(now.cpu, start->cpu);
	usage->mem_kb = kb(since(now.mem, start->mem));
	if (now.mem > group->sampled)
		group->sampled = now.mem;
	if (!final)
		return 0;
	group->last = now;
	divide_cpu(usage, start, &now);
	/* A peak that was not reset is this run's if it grew, for only this run was inside. */
	usage->sampled = cgroup_sampled(group) && now.peak <= start->peak;
	if ((group->peak_reset || now.peak > start->peak) && now.peak > group->sampled)
		group->sampled = now.peak;
	usage->peak_kb = kb(since(group->sampled, start->mem));
	usage->oom_kills = since(now.oom_kills, start->oom_kills);
	usage->host_oom = usage->oom_kills && !own_limit_was_hit(group, &now);
	return 0;
}

/* Without a peak of this run alone the kernel's figure serves only once it exceeds the old one. */
bool cgroup_sampled(const struct cgroup_group *group)
{
	return group->files[MEM_USAGE] >= 0 && !group->peak_reset &&
	    (group->files[MEM_PEAK] < 0 || group->start.peak > group->start.mem + NEAR);
}

int cgroup_oom_fd(const struct cgroup_group *group)
{
	return group->oom_event;
}

int cgroup_kill(struct cgroup_group *group)
{
	return group->files[KILL] < 0 ? -ENOSYS : cgroup_write(group->files[KILL], "1");
}

static bool is_empty(const struct cgroup_group *group)
{
	uint64_t n;
	char text[32];

	/* This count holds zombies too, which the list does not. */
	if (group->files[PIDS_USAGE] >= 0)
		return cgroup_number(group->files[PIDS_USAGE], &n) == 0 && n == 0;
	for (size_t i = 0; i < group->procs_len; i++)
		if (text_pread(group->procs[i], text, sizeof(text)) != 0)
			return false;
	return true;
}

enum cgroup_again cgroup_again(struct cgroup_group *group)
{
	uint64_t left;

	if (!group->cgroup)
		return CGROUP_NOW;
	group->again = group->files[MEM_USAGE] < 0;
	if (group->again)
		return CGROUP_NOW;
	if ((!group->peak_reset && group->files[MEM_PEAK] >= 0) || cgroup_number(group->files[MEM_USAGE], &left) < 0)
		return CGROUP_NEVER;
	group->again = left < LEFT_MAX;
	return group->again ? CGROUP_NOW : CGROUP_LATER;
}

/* Bytes that are still charged to a group, or SPENT where it cannot serve another run. */
static uint64_t left_in(struct cgroup_group *group)
{
	char text[8192];
	uint64_t left = 0;

	group->again = false;
	if (!is_empty(group) ||
	    (group->files[MEM_USAGE] >= 0 && cgroup_number(group->files[MEM_USAGE], &left) < 0))
		return SPENT;
	if (group->files[MEM_USAGE] < 0 || group->peak_reset || group->files[MEM_PEAK] < 0)
		return left;
	return group->files[MEM_STAT] >= 0 &&
	    text_pread(group->files[MEM_STAT], text, sizeof(text)) > 0 &&
	    cgroup_field(text, "shmem") > 0 ? left : SPENT;
}

bool cgroup_reusable(struct cgroup_group *group)
{
	return !group->cgroup || left_in(group) < LEFT_MAX;
}

bool cgroup_rest(struct cgroup_group **shelf, struct cgroup_group *group, bool own)
{
	struct cgroup *cgroup = group->cgroup;
	uint64_t left = cgroup ? left_in(group) : SPENT;

	if (left == SPENT || (left < LEFT_MAX && !own) || cgroup->resting == RESTING_MAX)
		return false;
	group_close_files(group);
	group->rest = *shelf;
	*shelf = group;
	cgroup->resting++;
	return true;
}

static struct cgroup_group *unshelve(struct cgroup_group **shelf)
{
	struct cgroup_group *group = *shelf;

	*shelf = group->rest;
	group->rest = NULL;
	group->cgroup->resting--;
	return group;
}

struct cgroup_group *cgroup_take(struct cgroup_group **shelf, uint64_t mem_kb)
{
	uint64_t left, most = mem_kb * (1024 / 8);

	most = most < LEFT_MAX ? LEFT_MAX : most > LEFT_OWN_MAX ? LEFT_OWN_MAX : most;
	for (int i = 0; i < TRIES_MAX && *shelf; i++) {
		struct cgroup_group *group = unshelve(shelf), **end = shelf;

		left = group_open_files(group) < 0 ? SPENT : left_in(group);
		if (left <= most)
			return group;
		while (*end)
			end = &(*end)->rest;
		if (left == SPENT || !cgroup_rest(end, group, true))
			cgroup_group_close(group);
	}
	return NULL;
}

void cgroup_shelf_close(struct cgroup_group **shelf)
{
	while (*shelf)
		cgroup_group_close(unshelve(shelf));
}

/* Start and end */

/* Whether the host has swap space. */
static bool host_swaps(void)
{
	char text[512];
	const char *line;

	if (text_read(AT_FDCWD, "/proc/swaps", text, sizeof(text)) < 0)
		return false;
	line = strchr(text, '\n');
	return line && line[1];
}

/* The parent's limit, its weight, and its bandwidth. On each core all runs together weigh as much as one process outside. The
 * weight alone is no promise: with Linux 6.18 six runs of 24 threads that wake each other by pipes kept a process outside
 * waiting for up to a minute on 2 cores, and for 0.2 s where a twentieth of the time is not theirs. */
static void limit_base(struct cgroup *cgroup, uint64_t mem_max_kb)
{
	int memory = base_of(cgroup, CGROUP_MEMORY), cpu = base_of(cgroup, CGROUP_CPU);
	cpu_set_t set;
	bool v1 = cgroup->kind == CGROUP_V1;
	char text[32];
	uint64_t bytes;

	if (cpu >= 0 && !sched_getaffinity(0, sizeof(set), &set)) {
		int cores = CPU_COUNT(&set);

		snprintf(text, sizeof(text), "%d", cores * 95000);
		cgroup_write_at(cpu, v1 ? "cpu.cfs_quota_us" : "cpu.max", text);
		if (cores > 100)
			cores = 100;
		snprintf(text, sizeof(text), "%d", cores * (v1 ? 1024 : 100));
		cgroup_write_at(cpu, v1 ? "cpu.shares" : "cpu.weight", text);
	}
	if (memory < 0)
		return;
	if (v1)
		cgroup_write_at(memory, "memory.use_hierarchy", "1");
	if (mem_max_kb == 0 || __builtin_mul_overflow(mem_max_kb, 1024, &bytes) ||
	    bytes > BYTES_MAX)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	cgroup_write_at(memory, v1 ? "memory.limit_in_bytes" : "memory.max", text);
	if (v1 && cgroup->swap_files)
		cgroup_write_at(memory, "memory.memsw.limit_in_bytes", text);
}

/* Enters a group, unless it is NULL, and stays until the kernel has counted some CPU time: where its clock moves by ticks
 * alone, a short life is none. */
static int enter_and_leave(void *group)
{
	struct timespec first, now;
	int error = group ? cgroup_enter(group) : 0;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &first);
	for (int i = 0; i < TICK_CALLS; i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
		if (now.tv_nsec != first.tv_nsec)
			break;
	}
	return -error & 127;
}

/* A process goes through a group, so that there is something to count. It does it in our memory: a copy takes longer. */
static int probe_enter(struct cgroup_group *group)
{
	char stack[16384] __attribute__((aligned(16)));
	int status;
	bool entered = false;
	pid_t pid = group->directory >= 0 ? cgroup_clone(group, 0, NULL, &entered) :
	    clone(enter_and_leave, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, group);

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(enter_and_leave(entered ? NULL : group));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static bool reads_back(int fd, uint64_t value)
{
	uint64_t number;

	return fd >= 0 && cgroup_number(fd, &number) == 0 && number == value;
}

static void probe_swap(struct cgroup_facts *facts, const struct cgroup_group *group)
{
	char text[32], path[64];

	if (group->cgroup->kind == CGROUP_V1) {
		facts->swap = reads_back(group->files[MEM_SWAP_LIMIT], group->mem_limit);
	} else {
		snprintf(path, sizeof(path), "%s/memory.swap.max", group->name);
		facts->swap = text_read(group->cgroup->hierarchies[0].base, path, text,
				  sizeof(text)) > 0 &&
		    strcmp(text, "0\n") == 0;
	}
	if (!facts->swap && !host_swaps())
		facts->swap = true;
	if (!facts->swap)
		snprintf(facts->swap_why, sizeof(facts->swap_why),
		    "swap has no limit: boot with "
		    "swapaccount=1, or swapoff -a");
}

static void probe_facts(struct cgroup_facts *facts, struct cgroup_group *group)
{
	struct cgroup_usage usage;
	char text[TEXT_MAX];
	bool v2 = group->cgroup->kind == CGROUP_V2;

	facts->memory = group->mem_limit && reads_back(group->files[MEM_LIMIT], group->mem_limit);
	facts->pids = reads_back(group->files[PIDS_LIMIT], PROBE_PROCS);
	facts->cpu = group->files[CPU_TIME] >= 0 && cgroup_read(group, &usage, true) == 0 &&
	    usage.cpu_ns > 0;
	facts->kill = group->files[KILL] >= 0;
	if (facts->memory)
		probe_swap(facts, group);
	facts->oom_count = group->files[MEM_EVENTS] >= 0 &&
	    text_pread(group->files[MEM_EVENTS], text, sizeof(text)) > 0 &&
	    strstr(text, "oom_kill ");
	facts->peak = group->files[MEM_PEAK] >= 0;
	if (!facts->peak && facts->memory)
		snprintf(facts->peak_why, sizeof(facts->peak_why),
		    "no peak of memory is counted, it is sampled: Linux 5.19 or later");
	else if (facts->peak && !group->peak_reset)
		snprintf(facts->peak_why, sizeof(facts->peak_why),
		    "no peak is reset, groups serve again for sessions only, sampled: "
		    "Linux 6.12 or later");
	if (!facts->cpu && !facts->cpu_why[0])
		snprintf(
		    facts->cpu_why, sizeof(facts->cpu_why), "CPU time of a group cannot be read");
	if (!facts->pids && !facts->pids_why[0])
		snprintf(facts->pids_why, sizeof(facts->pids_why), "%s",
		    v2 ? "no pids controller here: Delegate=yes in the unit"
		       : "the limit of pids cannot be set");
	if (!facts->memory && !facts->memory_why[0])
		snprintf(facts->memory_why, sizeof(facts->memory_why),
		    "the limit of memory cannot be set");
}

/* Makes a group, limits it, sends a process through, reads back. */
static int probe(struct cgroup *cgroup, struct cgroup_facts *facts)
{
	static const struct cgroup_limits limits = { .mem_kb = PROBE_MEM_KB, .procs = PROBE_PROCS };
	struct cgroup_group *group;
	int result = cgroup_group_open(cgroup, &group);

	if (result < 0)
		return result;
	result = cgroup_begin(group, &limits);
	if (result == 0)
		result = probe_enter(group);
	if (result == 0)
		probe_facts(facts, group);
	cgroup->probed = group;
	return result;
}

static void remove_bases(struct cgroup *cgroup, int64_t deadline)
{
	for (size_t i = 0; i < cgroup->hierarchies_len; i++) {
		struct cgroup_hierarchy *hierarchy = &cgroup->hierarchies[i];

		cgroup_remove_tree(hierarchy->home, hierarchy->name, deadline);
		if (i == 0 && cgroup->kind == CGROUP_V2)
			cgroup_v2_undo(hierarchy->home, &cgroup->moved);
		cgroup_close_fd(&hierarchy->base);
		cgroup_close_fd(&hierarchy->home);
	}
	cgroup->hierarchies_len = 0;
	cgroup_close_fd(&cgroup->oom_event);
	cgroup->kind = CGROUP_NONE;
}

/* Tries what was found. If it serves for neither memory nor CPU it is given up. */
static int take(
    struct cgroup *cgroup, const struct cgroup_config *config, struct cgroup_facts *facts)
{
	int64_t deadline = cgroup_clock() + (int64_t)REMOVE_DEAD_MS * 1000000;
	int memory = base_of(cgroup, CGROUP_MEMORY), result;

	for (size_t i = 0; i < cgroup->hierarchies_len; i++)
		cgroup_remove_dead(cgroup->hierarchies[i].home, deadline);
	cgroup->swap_files = cgroup->kind == CGROUP_V1 && memory >= 0 &&
	    syscall(SYS_faccessat, memory, "memory.memsw.limit_in_bytes", W_OK) == 0;
	limit_base(cgroup, config->mem_max_kb);
	if (cgroup->kind == CGROUP_V1 && memory >= 0)
		cgroup->oom_event = oom_event_open(memory, ".");
	result = probe(cgroup, facts);
	facts->kind = cgroup->kind;
	if (result == 0 && (facts->memory || facts->cpu))
		return 0;
	if (result < 0 && !facts->memory_why[0])
		snprintf(facts->memory_why, sizeof(facts->memory_why), "a group cannot be used: %s",
		    strerror(-result));
	cgroup_group_close(cgroup->probed);
	cgroup->probed = NULL;
	remove_bases(cgroup, cgroup_clock() + (int64_t)CLOSE_MS * 1000000);
	facts->kind = CGROUP_NONE;
	facts->memory = facts->swap = facts->pids = facts->cpu = facts->peak = facts->oom_count =
	    facts->kill = false;
	return result == -ENOMEM ? result : 0;
}

static int find(
    struct cgroup *cgroup, const struct cgroup_config *config, struct cgroup_facts *facts)
{
	char why[CGROUP_CONTROLLERS][CGROUP_WHY_MAX] = { "" }, v2_why[CGROUP_WHY_MAX] = "";
	struct cgroup_texts texts;
	struct cgroup_place place;
	bool unified = false;
	int result = 0;

	if (cgroup_texts_read(&texts) < 0)
		goto none;
	unified = cgroup_place_find(&texts, &place, NULL) == 0;
	if (unified && cgroup_v2_find(&texts, &cgroup->hierarchies[0], &cgroup->moved, v2_why) == 0) {
		cgroup->kind = CGROUP_V2;
		cgroup->hierarchies_len = 1;
		result = take(cgroup, config, facts);
		if (result < 0 || cgroup->kind != CGROUP_NONE)
			goto out;
	}
	cgroup->hierarchies_len = cgroup_v1_find(&texts, cgroup->hierarchies, why);
	snprintf(facts->pids_why, sizeof(facts->pids_why), "%s", why[CGROUP_PIDS]);
	snprintf(facts->cpu_why, sizeof(facts->cpu_why), "%s", why[CGROUP_CPUACCT]);
	snprintf(facts->memory_why, sizeof(facts->memory_why), "%s", why[CGROUP_MEMORY]);
	if (cgroup->hierarchies_len) {
		cgroup->kind = CGROUP_V1;
		facts->hybrid = unified;
		result = take(cgroup, config, facts);
		goto out;
	}
none:
	snprintf(facts->memory_why, sizeof(facts->memory_why), "%s", unified ? v2_why :
	    "no cgroup file system is mounted: mount -t cgroup2 none /sys/fs/cgroup");
out:
	cgroup_texts_free(&texts);
	return result;
}

int cgroup_open(
    struct cgroup **result, const struct cgroup_config *config, struct cgroup_facts *facts)
{
	struct cgroup *cgroup = calloc(1, sizeof(*cgroup));
	int error = 0;

	*result = NULL;
	*facts = (struct cgroup_facts){ .kind = CGROUP_NONE };
	if (!cgroup)
		return -ENOMEM;
	cgroup->moved.leaf = cgroup->oom_event = -1;
	if (config->disabled)
		snprintf(facts->memory_why, sizeof(facts->memory_why), "switched off");
	else
		error = find(cgroup, config, facts);
	if (facts->kind == CGROUP_NONE) {
		snprintf(facts->cpu_why, sizeof(facts->cpu_why), "%s", facts->memory_why);
		snprintf(facts->pids_why, sizeof(facts->pids_why), "%s", facts->memory_why);
	}
	if (error < 0) {
		cgroup_close(cgroup);
		return error;
	}
	*result = cgroup;
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	int64_t deadline = cgroup_clock() + (int64_t)CLOSE_MS * 1000000;

	if (!cgroup)
		return;
	while (cgroup->open)
		cgroup_group_close(cgroup->open);
	remove_bases(cgroup, deadline);
	while (cgroup->busy) {
		struct cgroup_group *group = cgroup->busy;

		group_unlink(group);
		free(group);
	}
	free(cgroup);
}
