/* cgroup.h - limits and accounting by control groups: v2, v1, hybrid; found by trying, not by guessing
 *
 * Used by the launcher alone (privileged); cgroup_enter() also by the process that enters. Everything is reached by
 * descriptors opened at start: the launcher later lives in a mount namespace that has no /sys. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* What the host gives, for `check` and /version. A text is empty where there is nothing to say; else "why, what to do". */
struct cgroup_facts {
	enum cgroup_kind kind;		/* NONE: neither memory nor CPU can be accounted by group */
	bool hybrid;			/* v1 controllers with a cgroup2 mount beside them */
	bool memory, swap, pids, cpu;	/* can be limited (swap: also nothing to limit) or accounted (cpu) */
	bool peak;			/* the kernel gives the peak of memory */
	bool oom_count;			/* the kernel counts OOM kills per group */
	bool kill;			/* cgroup.kill */
	char memory_why[200], swap_why[200], pids_why[200], cpu_why[200], peak_why[200];
};

struct cgroup;		/* the parent group of one launcher */
struct cgroup_group;	/* a group for one run at a time */

struct cgroup_config {
	uint64_t mem_max_kb;	/* of all runs together; 0: no bound here */
	bool disabled;		/* as if the host gave none (--no-cgroup) */
};

struct cgroup_limits {
	uint64_t mem_kb;	/* memory and swap together */
	uint64_t procs;		/* of the whole group, the sandbox's pid 1 included: the caller adds it */
};

struct cgroup_usage {
	uint64_t user_ns, system_ns, cpu_ns;	/* since cgroup_begin; cpu_ns is the kernel's total. Where only the total is known,
						   user is all of it */
	uint64_t mem_kb;		/* now */
	uint64_t peak_kb;		/* since cgroup_begin: the kernel's figure, or the largest that was sampled */
	bool sampled;			/* the peak is the largest that was sampled: another figure may be better */
	uint64_t oom_kills;		/* in this group since cgroup_begin; v2 may count a process twice */
	bool host_oom;			/* the kill was for a limit above this group (mem_max_kb or the host): its own limit was
					   not hit since cgroup_begin */
};

/* To be called in a private mount namespace: a read-only cgroup mount (a container's) is remounted writable there. In v2 the
 * processes of the caller's own group may be moved into a leaf below it; cgroup_close moves them back.
 * Probes, removes groups that crashed launchers left (recognised by their name: the maker's pid and start time), makes the
 * parent group. Never fails for a lack of cgroups: facts.kind says so. -errno for what is broken (no memory). Everything
 * that is opened is CLOEXEC. */
int cgroup_open(struct cgroup **cgroup, const struct cgroup_config *config, struct cgroup_facts *facts);
/* Kills what is left in its groups, removes them and the parent. Bounded time (1 s). Safe on NULL. Groups that are still open
 * are closed with it. */
void cgroup_close(struct cgroup *cgroup);

/* A group: made ahead of need. -errno. With kind NONE: a group that does nothing, so that callers need no special case. */
int cgroup_group_open(struct cgroup *cgroup, struct cgroup_group **group);
/* Before a sandbox is made in the group: a limit of its last run that is too small for that is lifted. */
void cgroup_lift(struct cgroup_group *group);
/* Sets the limits, and where figures start from. Called with nobody or only the run's pid 1 inside. -EBUSY: more than the limit is in use
 * already. */
int cgroup_begin(struct cgroup_group *group, const struct cgroup_limits *limits);
/* The calling process enters, by writes to kept descriptors: async-signal-safe. 0 or -errno. */
int cgroup_enter(const struct cgroup_group *group);
/* A process enters. */
int cgroup_attach(const struct cgroup_group *group, pid_t pid);
/* clone(2) as fork does it, with these flags and a pidfd (NULL: none), into the group where that can be had: else the child has
 * to enter. */
pid_t cgroup_clone(const struct cgroup_group *group, unsigned long flags, int *pidfd, bool *entered);
/* Figures since cgroup_begin: one pread each, no allocation. `final`: read all; else only cpu_ns and mem_kb, cheaply. */
int cgroup_read(struct cgroup_group *group, struct cgroup_usage *usage, bool final);
/* v1: becomes readable (POLLIN) when the OOM killer comes to this group; what it leaves alive is the caller's to kill. The counter
 * moves some ms later: cgroup_read with `final`, which also takes the readiness back, until oom_kills moves, for 50 ms at
 * most. Owned by the group. -1 where there is none: in v2 the kernel kills the whole group by itself. */
int cgroup_oom_fd(const struct cgroup_group *group);
/* Kills everything in it where the kernel can (cgroup.kill): 0, or -ENOSYS. */
int cgroup_kill(struct cgroup_group *group);
/* Whether it has to be sampled: what cgroup_read finds without `final` counts for the peak. */
bool cgroup_sampled(const struct cgroup_group *group);
/* Whether it can serve another run: nobody inside, and less than 1 MB still charged (files of a session stay charged to
 * the group that wrote them). Where the kernel's peak cannot be reset, figures are kept truthful in another way or it
 * answers false (v2 before Linux 6.12: false, unless files stay charged to it, because a group removed then would stay in
 * the kernel's memory as long as they; its next peak is the kernel's if it exceeds the old one, else the largest sampled). */
bool cgroup_reusable(struct cgroup_group *group);
enum cgroup_again { CGROUP_NEVER, CGROUP_LATER, CGROUP_NOW };
/* The same for a group in which the sandbox's own pid 1 stays: whether cgroup_begin can start another run there. The kernel gives
 * back what a process had only a while after its end: more than 1 MB may be less soon. */
enum cgroup_again cgroup_again(struct cgroup_group *group);
/* The groups of one owner, a session, in which files are charged that are still there. cgroup_rest: a run of the owner's is over.
 * False where it is not to be kept for the owner alone: little is left there, and it is not the owner's `own` yet; or somebody is inside. Else it
 * lies on the shelf (NULL: empty), where it takes no descriptor. */
bool cgroup_rest(struct cgroup_group **shelf, struct cgroup_group *group, bool own);
/* One for the owner's next run, in which no more is left than an eighth of the run's limit, 1 MB at least and 16 MB at most; NULL
 * where there is none. */
struct cgroup_group *cgroup_take(struct cgroup_group **shelf, uint64_t mem_kb);
void cgroup_shelf_close(struct cgroup_group **shelf);
/* Removes it; what cannot be removed yet (still dying) is kept and tried again at later calls of cgroup_sweep. NULL is fine. */
void cgroup_group_close(struct cgroup_group *group);
/* Removes groups that were busy before. Returns how many remain. */
size_t cgroup_sweep(struct cgroup *cgroup);

#endif
