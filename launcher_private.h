/* launcher_private.h - what the files of the launcher share: the slots, and who sits in them */
#ifndef LAUNCHER_PRIVATE_H
#define LAUNCHER_PRIVATE_H

#include <sys/types.h>
#include <unistd.h>

#include "jail.h"
#include "launcher.h"
#include "message.h"
#include "sample.h"
#include "seccomp.h"
#include "store.h"
#include "uid.h"
#include "wait.h"

enum {
	OUTBOX_MAX = 4096,		/* answers that the front has not taken yet */
	MILLISECOND = 1000000,
};

enum slot_state {
	SLOT_EMPTY, SLOT_BUILDING, SLOT_READY, SLOT_RUNNING, SLOT_ENDING, SLOT_KILLING
};

struct slot {
	enum slot_state state;
	unsigned number;
	/* Kept from run to run. */
	int userns;
	int session_userns;		/* of the session that had a run here last, whose uid is: */
	uid_t session_uid;
	uid_t owner;		/* of the user namespace that its sandbox has */
	struct cgroup_group *group;
	struct cgroup_group *spare;	/* its own, while it has one of its session's */
	bool lent;
	/* Of one sandbox. */
	int pidfd, control;
	int proc;			/* a context to reconfigure its /proc by, where it may serve again; -1 */
	pid_t pid;
	struct store_session *session;
	uint32_t network;
	uint64_t disk_kb;
	bool used;			/* a run has begun in it */
	bool settling;			/* SLOT_READY, but too much memory is charged to it for now */
	/* Of one run. */
	bool has_run;
	struct message_run run;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;
	bool decided;			/* verdict is settled by a kill of ours */
	enum verdict verdict;
	int64_t started, look, oom_until;
	struct sample sample;
	struct jail_report report;	/* type 0: none came */
	/* In the poll set of this round. */
	int wait_pidfd, wait_control, wait_oom;
};

struct outbox_entry {
	union message_small message;
	size_t len;
	int fd;				/* to send with it and close; -1 */
};

struct launcher {
	struct launcher_config config;
	struct launcher_facts facts;
	struct uid_block uids;
	struct root *root;
	struct cgroup *cgroup;
	struct store *store;
	struct seccomp_program filters[SECCOMP_WATCHED + 1];	/* by role; not the server's */
	int netns;			/* made ahead, and never used: for the next run of a session, or the only run; -1 */
	pid_t netns_maker;		/* of the only run's; 0 */
	dev_t pipes;			/* the file system that pipe(2) makes them on */
	int self;			/* a pidfd of ourselves, for pid 1 of each sandbox */
	int signals;
	int front;
	pid_t front_pid;
	int front_pidfd;
	bool front_failed, keep_sessions;
	struct slot *slots;
	size_t slots_len;
	size_t ready, settling;		/* SLOT_READY, and those of them that are not yet, counted each round */
	bool no_spare;			/* none is built ahead: not wanted, or failed and not tried again before the next run */
	struct wait wait;
	struct outbox_entry *outbox;
	size_t outbox_first, outbox_len;
	int wait_front, wait_signals, wait_front_pidfd;
	bool removing;			/* children are at work on a session's files: looked at soon */
	bool tokens_due;		/* could not be sent yet */
	int token_dir;			/* of the token file; -1 */
	const char *token_name;
};

static inline void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline bool
by_group(const struct launcher *launcher)
{
	return launcher->facts.cgroup.memory && launcher->facts.cgroup.cpu;
}

/* launcher.c */
/* Sends, or keeps until the front takes it. `fd` (or -1) goes with it and is closed. */
void launcher_answer(struct launcher *launcher, const void *message, size_t len, int fd);

/* launcher_request.c */
/* Takes what has come, a bounded number at a time. False when the front's end is closed. */
bool launcher_take_requests(struct launcher *launcher);

/* launcher_slot.c: a sandbox, from its place to its end */
struct slot *slot_find(struct launcher *launcher, const struct message_run *run);
struct slot *slot_find_empty(struct launcher *launcher);
/* A sandbox that waits for a run of this kind, or is being built for whoever comes. */
struct slot *slot_find_ready(struct launcher *launcher, const struct message_run *run);
void slot_build(struct launcher *launcher, struct slot *slot);
/* The verdict counts where none was settled before. */
void slot_kill(struct slot *slot, enum verdict verdict);
/* What could not be done ends the slot's run, if it has one, and the slot is empty. */
void slot_fail(struct launcher *launcher, struct slot *slot, const char *step, int error);
/* The run is over, its sandbox may live on. */
void slot_end_run(struct slot *slot);
void slot_close_fds(struct slot *slot);
/* No run is in it any more. */
void session_remove(struct launcher *launcher, struct store_session *session);
/* Builds one ahead of need, and gives back what has not been needed for a while. */
void slots_tend(struct launcher *launcher);
void slots_wait(struct launcher *launcher);
void slots_step(struct launcher *launcher);
/* Kills and reaps all. */
void slots_end(struct launcher *launcher);

/* launcher_run.c: a run, from its order to its verdict */
void run_order(struct launcher *launcher, struct slot *slot);
int64_t run_wall_deadline(const struct slot *slot);
/* At the clocks. */
void run_look(struct launcher *launcher, struct slot *slot, int64_t now);
void run_look_for_oom(struct slot *slot, int64_t now);
void run_take_report(struct slot *slot);
/* It could not be started: tells the front. */
void run_refuse(struct launcher *launcher, const struct message_run *run, const char *step, int error);
/* The command has ended, and nothing of it is left: what is known of it goes to the front. */
void run_conclude(struct launcher *launcher, struct slot *slot, int64_t now);

#endif
