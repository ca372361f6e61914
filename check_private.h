/* check_private.h - what the rooms of `check` share: check.c makes lines of what check_kernel.c and
 * check_trial.c have tried
 *
 * Nobody else includes this. */
#ifndef CHECK_PRIVATE_H
#define CHECK_PRIVATE_H

#include <stdbool.h>

#include "launcher.h"
#include "message.h"
#include "options.h"

enum { CHECK_UNTRIED = 1 }; /* where else 0 or -errno stands */

/* A child does something that may fail, hang or kill it. `namespaces`: CLONE_NEW* for it. 0 when it
 * has called _exit; -errno of clone; -ETIMEDOUT: it was killed after so many seconds; -EIO: it died
 * of a signal (*signal, where not NULL). Returns only when the child and all that it started are
 * gone, or the time is over. */
int check_child(
    unsigned long namespaces, void (*run)(void *), void *argument, int seconds, int *signal);
/* Memory that a child writes its answers to: zeros. NULL: none to be had. */
void *check_share(size_t size);
void check_unshare(void *memory, size_t size);

enum check_namespace {
	CHECK_NS_USER,
	CHECK_NS_PID,
	CHECK_NS_MOUNT,
	CHECK_NS_IPC,
	CHECK_NS_UTS,
	CHECK_NS_CGROUP,
	CHECK_NS_NET,
	CHECK_NAMESPACES
};

struct check_tried {
	int error;        /* 0, -errno, CHECK_UNTRIED */
	bool in_userns;   /* only within a user namespace */
	const char *step; /* that failed */
};

extern const char check_step_private[]; /* the step of mounts that a chroot stops */

enum check_mount {
	CHECK_TMPFS,
	CHECK_DISK,
	CHECK_BIND,
	CHECK_PROC,
	CHECK_PIVOT_ROOT,
	CHECK_MOUNTS
};

enum check_rlimit { CHECK_FSIZE, CHECK_NOFILE, CHECK_STACK, CHECK_RLIMITS };

struct check_kernel {
	const char *missing_call, *missing_since; /* NULL: none */
	const char *needed_since;                 /* of the newest call that is needed */
	struct check_tried namespaces[CHECK_NAMESPACES];
	struct check_tried mounts[CHECK_MOUNTS];
	int rlimits[CHECK_RLIMITS];
	int no_new_privs, seccomp, seccomp_kill;
};

void check_kernel(struct check_kernel *kernel);

/* A launcher of our own, and two runs in a sandbox of its making. */
struct check_trial {
	bool opened;                   /* facts are there */
	bool has_sandbox, has_command; /* results are there */
	int error;                     /* of the first step that failed outside of a run; 0 */
	char step[48];
	struct launcher_facts facts;
	struct message_result sandbox; /* of a file operation */
	struct message_result command; /* of `true` */
};

void check_trial(struct check_trial *trial, const struct options *options);
/* What cgroups give, where no launcher could be opened. */
void check_cgroup(struct cgroup_facts *facts, bool disabled);

#endif
