/* jail.h - the inside of a sandbox: pid 1, and the command as its child
 *
 * jail_spawn() is called by the launcher; what it makes builds the sandbox around itself step by step, gives up its
 * privileges, reports READY, waits for one order, starts the command, and ends when the command has ended: the kernel then kills
 * what is left. Every step that fails is reported by name and errno, and the sandbox is gone: there is no weaker one. */
#ifndef JAIL_H
#define JAIL_H

#include "cgroup.h"
#include "message.h"
#include "root.h"
#include "seccomp.h"

enum { JAIL_NET_NEW = -1, JAIL_NET_HOST = -2 };
enum { JAIL_UID_INIT = 0, JAIL_UID_USER = 1000 };	/* inside a user namespace */
enum { JAIL_NICE = -10 };	/* of the launcher, the server and pid 1, where that may be set */

/* What a sandbox is to be. Read by the child from its copy of the launcher's memory. */
struct jail_plan {
	const struct root *root;
	const struct cgroup_group *group;
	const struct seccomp_program *filters;	/* by role */
	int launcher;		/* a pidfd of the launcher */
	int userns;		/* a user namespace to enter; -1: none */
	int netns;		/* a network namespace to enter, or JAIL_NET_* */
	int sessions;		/* the mount namespace that holds the trees of sessions; -1: none */
	const char *session;	/* the directory there that is the root; NULL: a new tree */
	uint64_t disk_kb;	/* of a new tree */
	uid_t init_uid, user_uid;	/* on the host: of pid 1, and of the command */
	bool cgroup_namespace;	/* the kernel has them */
	bool one_uid;		/* rootless: only one id can be had; pid 1 and the command share it */
	bool early;		/* the end is reported before pid 1's own, where no other process is left */
	bool reuse;		/* may serve another run if the one before has left no trace (trace.h) */
};

struct jail_order {
	uint32_t operation;	/* enum operation */
	uint32_t has_copy_out;
	uint32_t limit_memory, limit_procs;	/* by rlimit: where no cgroup does it */
	struct limits limits;
};

enum jail_report_type {		/* 0: none has come */
	JAIL_READY = 1,	/* built, waiting for an order */
	JAIL_FAILED,	/* a step of building or starting failed */
	JAIL_EXEC,	/* the command could not be started: error is execve's */
	JAIL_ENDED,	/* wait_status of the command (of a file operation: its errno as exit code) */
};

enum jail_alone {
	JAIL_CROWDED,	/* other processes may be left: pid 1 ends, and they with it */
	JAIL_ALONE,	/* no process is left but pid 1, which ends */
	JAIL_CLEAN,	/* no process is left but pid 1, and no trace: it waits for an order, as after READY */
};

struct jail_report {
	uint32_t type;
	int32_t error, wait_status;
	int32_t alone;			/* ENDED: enum jail_alone */
	uint64_t user_ns, system_ns;	/* rusage of the command and its waited-for children */
	uint64_t max_rss_kb;
	char step[48];
};

/* Makes the process: its pid, with *pidfd and *control (the launcher's end, non-blocking). -errno. */
pid_t jail_spawn(const struct jail_plan *plan, int *pidfd, int *control);

/* A network namespace with nothing in it but a loopback that is up: a descriptor, or -errno. `proc` is the host's /proc. */
int jail_netns(int proc);
/* The same, begun: on another core while the caller does something else. A process, or -errno; it is waited for by jail_netns_end, which
 * gives the descriptor. */
pid_t jail_netns_begin(void);
int jail_netns_end(pid_t pid);
/* A user namespace with two ids, JAIL_UID_INIT and JAIL_UID_USER, mapped to host ids: a descriptor, or -errno. `proc` is the
 * host's /proc. With one_uid only JAIL_UID_USER is mapped. */
int jail_userns(int proc, uid_t init_uid, uid_t user_uid, bool one_uid);
/* What forbids user namespaces, or rights in them, by a switch that kernels and distributions have for it, and what allows them: a sentence,
 * or NULL. Two of the switches are for an `ordinary` user alone. */
const char *jail_userns_forbidden(bool ordinary);
/* Kills a sandbox's pid 1. Without CAP_KILL that is for the owner of its user namespace, which `user_uid` made. */
void jail_kill(int pidfd, uid_t user_uid);

#endif
