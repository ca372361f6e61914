/* launcher.c - answers the front's messages: starts sandboxes, holds their clocks, gives verdicts
 *
 * Theory of operation. A slot is the place for one sandbox at a time: a uid pair, a user namespace and a cgroup that are used again, a
 * process that is not. A run walks SLOT_EMPTY → BUILDING (pid 1 puts the sandbox together) → RUNNING (the order is sent; the clocks
 * go) → EMPTY; a limit that is hit or a cancel makes it KILLING in between. The end of a run is always the same event: the pidfd
 * of its pid 1 is readable. By then the kernel has ended every process of the sandbox, pid 1's report is in the socket, and the
 * cgroup's counters are final. The first cause that was seen is the verdict.
 *
 * A sandbox that a run has left without a trace (trace.c; pid 1 says so) need not be thrown away: after RUNNING it is SETTLING
 * while pid 1 looks, then READY, and the next run that wants such a one starts at the cost of an exec. There the result goes out
 * when pid 1 says that the command has ended and nobody else is left. One READY sandbox is built ahead of need.
 *
 * The front may have been taken over: each message is checked here as if it were (table `requests`), and one that the front's
 * code could not have sent ends the front. */
#include "launcher.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "log.h"
#include "message.h"
#include "sample.h"
#include "store.h"
#include "token.h"
#include "uid.h"
#include "wait.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

enum {
	OUTBOX_MAX = 4096,		/* answers that the front has not taken yet */
	SPARE_SLOTS = 2,
	NO_RUN = -1,
	READY_KEPT = 1,			/* sandboxes that stay when nothing is asked for */
	MILLISECOND = 1000000,
	PIPEFS = 0x50495045,		/* PIPEFS_MAGIC (statfs(2)) */
	MEMORY_LEAST_KB = 65536,	/* that must be available for a new session */
};
static const int64_t build_deadline_ns = 10ll * 1000 * MILLISECOND;
static const int64_t least_look_ns = MILLISECOND;	/* between two looks at a CPU clock */
static const int64_t sample_ns = 20 * MILLISECOND;	/* where no cgroup counts: between two looks at /proc */
static const int64_t remover_ns = 50 * MILLISECOND;
static const int64_t ready_ns = 10ll * 1000 * MILLISECOND;	/* more than READY_KEPT go after so long */
static const int64_t oom_settle_ns = 50 * MILLISECOND;	/* v1: the event comes before the counter moves */

enum slot_state {
	SLOT_EMPTY, SLOT_BUILDING, SLOT_READY, SLOT_RUNNING, SLOT_SETTLING, SLOT_KILLING
};

struct slot {
	enum slot_state state;
	unsigned number;
	/* Kept from run to run. */
	int userns;
	struct cgroup_group *group;
	/* Of one sandbox. */
	int pidfd, control;
	pid_t pid;
	struct store_session *session;
	uint32_t network;
	uint64_t disk_kb;
	bool used;			/* a run has begun in it */
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
	struct seccomp_program command_filter, init_filter;
	int self;			/* a pidfd of ourselves, for pid 1 of each sandbox */
	int signals;
	int front;
	pid_t front_pid;
	int front_pidfd;
	bool front_failed, keep_sessions;
	struct slot *slots;
	size_t slots_len;
	size_t ready;			/* SLOT_READY, counted each round */
	bool spare_failed;		/* none could be built ahead: not tried again before the next run */
	struct wait wait;
	struct outbox_entry *outbox;
	size_t outbox_first, outbox_len;
	int wait_front, wait_signals, wait_front_pidfd;
	bool removing;			/* children are at work on a session's files: looked at soon */
	bool tokens_due;		/* could not be sent yet */
	int token_dir;			/* of the token file; -1 */
	const char *token_name;
};

static void
complain(const char *what, const char *object, int error)
{
	/* Never waits for whoever reads stderr. */
	log_say(LOG_TEXT, "%s%s%s: %s", what, object ? ": " : "", object ? object : "",
	    strerror(error < 0 ? -error : error));
}

/* --- answers ------------------------------------------------------------------------------------ */

static int
answer_now(struct launcher *launcher, const void *message, size_t len, int fd)
{
	return message_send(launcher->front, message, len, &fd, fd >= 0);
}

/* Sends, or keeps until the front takes it. A front that lets answers pile up is not ours any more. */
static void
answer(struct launcher *launcher, const void *message, size_t len, int fd)
{
	if (!launcher->outbox_len && answer_now(launcher, message, len, fd) != -EAGAIN) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (len > sizeof(union message_small)) {
		launcher->tokens_due = true;	/* the only large one is made again */
		return;
	}
	if (launcher->outbox_len == OUTBOX_MAX) {
		launcher->front_failed = true;
		if (fd >= 0)
			close(fd);
		return;
	}
	struct outbox_entry *entry =
	    &launcher->outbox[(launcher->outbox_first + launcher->outbox_len++) % OUTBOX_MAX];
	memcpy(&entry->message, message, len);
	entry->len = len;
	entry->fd = fd;
}

static void
flush_outbox(struct launcher *launcher)
{
	while (launcher->outbox_len) {
		struct outbox_entry *entry = &launcher->outbox[launcher->outbox_first];
		if (answer_now(launcher, &entry->message, entry->len, entry->fd) == -EAGAIN)
			return;
		if (entry->fd >= 0)
			close(entry->fd);
		launcher->outbox_first = (launcher->outbox_first + 1) % OUTBOX_MAX;
		launcher->outbox_len--;
	}
}

static void
answer_plain(struct launcher *launcher, enum message_type type, uint32_t signal_number)
{
	struct message_plain message = { .type = (uint32_t)type, .signal = signal_number };

	answer(launcher, &message, sizeof(message), -1);
}

/* --- slots -------------------------------------------------------------------------------------- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
close_run_fds(struct slot *slot)
{
	while (slot->fds_len)
		close(slot->fds[--slot->fds_len]);
}

static bool
by_group(const struct launcher *launcher)
{
	return launcher->facts.cgroup.memory && launcher->facts.cgroup.cpu;
}

/* The session's last run is over: what it shared is given back, and if it is to go, it goes. */
static void
leave_session(struct launcher *launcher, struct store_session *session)
{
	if (!session || --session->running)
		return;
	close_fd(&session->netns);
	if (session->closing)
		(void)store_remove(launcher->store, session);
}

/* The run is over, its sandbox may live on. */
static void
end_with(struct launcher *launcher, struct slot *slot, const struct message_result *result)
{
	answer(launcher, result, sizeof(*result), -1);
	close_run_fds(slot);
	slot->has_run = false;
}

/* The sandbox is gone. What may take time comes after the answer. */
static void
empty(struct launcher *launcher, struct slot *slot)
{
	struct store_session *session = slot->session;

	close_fd(&slot->control);
	close_fd(&slot->pidfd);
	slot->session = NULL;
	slot->state = SLOT_EMPTY;
	if (slot->group && !cgroup_reusable(slot->group)) {
		cgroup_group_close(slot->group);
		slot->group = NULL;
	}
	leave_session(launcher, session);
}

static void
finish_failed(struct launcher *launcher, struct slot *slot, const char *step, int error)
{
	if (!slot->has_run) {
		launcher->spare_failed = true;
		empty(launcher, slot);
		return;
	}
	struct message_result result = {
		.type = MESSAGE_RESULT, .run = slot->run.run, .generation = slot->run.generation,
		.verdict = VERDICT_INTERNAL, .exit_code = -1, .error = error < 0 ? -error : error,
		.by_group = by_group(launcher),
	};

	snprintf(result.step, sizeof(result.step), "%s", step);
	end_with(launcher, slot, &result);
	empty(launcher, slot);
}

static void
kill_slot(struct slot *slot, enum verdict verdict)
{
	if (slot->state == SLOT_EMPTY)
		return;
	if (!slot->decided) {
		slot->decided = true;
		slot->verdict = verdict;
	}
	slot->state = SLOT_KILLING;
	if (slot->group)
		(void)cgroup_kill(slot->group);
	(void)syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
}

static int
open_group(struct launcher *launcher, struct slot *slot)
{
	if (slot->group)
		return 0;
	(void)cgroup_sweep(launcher->cgroup);
	return cgroup_group_open(launcher->cgroup, &slot->group);
}

static bool
has_writable_bind(const struct launcher_config *config)
{
	for (size_t i = 0; i < config->binds_len; i++)
		if (config->binds[i].writable)
			return true;
	return false;
}

/* A stateless run has its slot's user namespace, a session's run one with the session's uid. */
static int
open_userns(struct launcher *launcher, struct slot *slot, uid_t init_uid, uid_t user_uid)
{
	if (!launcher->facts.userns)
		return -1;
	if (!slot->session && slot->userns >= 0)
		return slot->userns;
	int fd = jail_userns(root_proc(launcher->root), init_uid, user_uid, launcher->uids.one);
	if (!slot->session && fd >= 0)
		slot->userns = fd;
	return fd;
}

/* Runs of a session that overlap share one network namespace: the first one's. */
static void
share_network(struct launcher *launcher, struct slot *slot)
{
	char path[32];
	struct store_session *session = slot->session;

	if (!session || session->netns >= 0 || slot->network == NETWORK_HOST)
		return;
	snprintf(path, sizeof(path), "%d/ns/net", (int)slot->pid);
	session->netns = openat(root_proc(launcher->root), path, O_RDONLY | O_CLOEXEC);
}

/* A sandbox can serve again only where nobody else shares its parts, and where pid 1's capabilities are of a user namespace. */
static bool
can_reuse(const struct launcher *launcher, const struct slot *slot)
{
	return launcher->config.reuse && launcher->facts.userns && !launcher->uids.one && !slot->session &&
	    slot->network == NETWORK_NONE && !has_writable_bind(&launcher->config) && by_group(launcher);
}

static void
start_building(struct launcher *launcher, struct slot *slot)
{
	struct store_session *session = slot->session;
	const struct uid_block *uids = &launcher->uids;
	bool one = uids->one;
	uid_t init_uid = one ? uids->init : uids->init + slot->number;
	uid_t user_uid = one ? uids->user : session ? store_uid(launcher->store, session) :
	    uids->user + slot->number;

	slot->state = SLOT_BUILDING;
	slot->used = false;
	int error = open_group(launcher, slot);
	if (error) {
		finish_failed(launcher, slot, "make a cgroup", error);
		return;
	}
	int userns = open_userns(launcher, slot, init_uid, user_uid);
	if (userns < 0 && launcher->facts.userns) {
		finish_failed(launcher, slot, "make a user namespace", userns);
		return;
	}
	struct jail_plan plan = {
		.root = launcher->root, .group = slot->group,
		.command_filter = &launcher->command_filter, .init_filter = &launcher->init_filter,
		.launcher = launcher->self, .userns = userns,
		.netns = slot->network == NETWORK_HOST ? JAIL_NET_HOST :
		    session && session->netns >= 0 ? session->netns : JAIL_NET_NEW,
		.sessions = launcher->store ? store_namespace(launcher->store) : -1,
		.session = session ? session->path : NULL,
		.disk_kb = slot->disk_kb,
		.reuse = can_reuse(launcher, slot),
		.init_uid = init_uid, .user_uid = user_uid,
		.cgroup_namespace = launcher->facts.cgroup_namespace, .one_uid = one,
	};
	pid_t pid = jail_spawn(&plan, &slot->pidfd, &slot->control);
	if (session && userns >= 0)
		close(userns);
	if (pid < 0) {
		finish_failed(launcher, slot, "clone", pid);
		return;
	}
	slot->pid = pid;
	slot->look = wait_clock() + build_deadline_ns;
	share_network(launcher, slot);
}

/* --- a run ---------------------------------------------------------------------------------------- */

static void
read_usage(struct launcher *launcher, struct slot *slot, struct cgroup_usage *usage, bool final)
{
	memset(usage, 0, sizeof(*usage));
	if (by_group(launcher)) {
		(void)cgroup_read(slot->group, usage, final);
		return;
	}
	if (!final)
		sample_take(&slot->sample, root_proc(launcher->root), slot->pid);
	usage->cpu_ns = slot->sample.cpu_ns;
	usage->user_ns = slot->sample.user_ns;
	usage->system_ns = slot->sample.system_ns;
	usage->mem_kb = slot->sample.mem_kb;
	usage->peak_kb = slot->sample.peak_kb;
}

/* How many cores the tree can use at once. */
static uint64_t
cores_of(const struct launcher *launcher, const struct slot *slot)
{
	uint64_t procs = slot->run.limits.procs;
	return procs < launcher->facts.cores ? procs : launcher->facts.cores;
}

/* When the tree could have used up its CPU time at the earliest: then is the next look. */
static void
look_again(struct launcher *launcher, struct slot *slot, uint64_t used_ns, int64_t now)
{
	uint64_t limit_ns = slot->run.limits.time_ms * MILLISECOND;
	int64_t least = by_group(launcher) ? least_look_ns : sample_ns;
	int64_t left = (int64_t)((limit_ns - used_ns) / cores_of(launcher, slot));

	if (!by_group(launcher) && left > sample_ns)
		left = sample_ns;
	slot->look = now + (left > least ? left : least);
}

static int64_t
wall_deadline(const struct slot *slot)
{
	return slot->started + (int64_t)slot->run.limits.wall_time_ms * MILLISECOND;
}

static void
look(struct launcher *launcher, struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;

	if ((slot->state == SLOT_BUILDING || slot->state == SLOT_SETTLING) && now >= slot->look) {
		kill_slot(slot, VERDICT_INTERNAL);
		return;
	}
	if (slot->state != SLOT_RUNNING)
		return;
	if (now >= slot->look) {
		read_usage(launcher, slot, &usage, false);
		if (usage.cpu_ns >= slot->run.limits.time_ms * MILLISECOND) {
			kill_slot(slot, VERDICT_TIME_LIMIT);
			return;
		}
		look_again(launcher, slot, usage.cpu_ns, now);
		if (!by_group(launcher) && usage.mem_kb > slot->run.limits.mem_kb) {
			kill_slot(slot, VERDICT_MEMORY_LIMIT);
			return;
		}
	}
	if (now >= wall_deadline(slot))
		kill_slot(slot, VERDICT_WALL_TIME_LIMIT);
}

/* v1 takes one process and lets the rest of the tree live on: it is ended here. The event may come some milliseconds before
 * the counter moves, so the counter is read again until it does. */
static void
look_for_oom(struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;

	if (slot->state != SLOT_RUNNING || cgroup_read(slot->group, &usage, true))
		return;
	if (usage.oom_kills) {
		kill_slot(slot, usage.host_oom ? VERDICT_HOST_MEMORY_LIMIT : VERDICT_MEMORY_LIMIT);
		slot->oom_until = 0;
	} else if (now >= slot->oom_until) {
		slot->oom_until = 0;
	}
}

/* By pid 1's root as /proc has it: a link of the kernel's, that no payload can turn. */
static int
resize_disk(struct launcher *launcher, struct slot *slot)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/root", (int)slot->pid);
	int tree = openat(root_proc(launcher->root), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return -errno;
	int error = root_tree_resize(tree, slot->run.limits.disk_kb);
	close(tree);
	if (!error)
		slot->disk_kb = slot->run.limits.disk_kb;
	return error;
}

static void
send_order(struct launcher *launcher, struct slot *slot)
{
	struct jail_order order = {
		.operation = slot->run.operation, .has_copy_out = slot->run.has_copy_out,
		.limit_memory = !launcher->facts.cgroup.memory,
		.limit_procs = !launcher->facts.cgroup.pids,
		.limits = slot->run.limits,
	};
	struct cgroup_limits limits = {
		.mem_kb = slot->run.limits.mem_kb, .procs = slot->run.limits.procs + 1,
	};

	int error = 0;
	if (slot->disk_kb != slot->run.limits.disk_kb && !slot->session)
		error = resize_disk(launcher, slot);
	if (!error)
		error = cgroup_begin(slot->group, &limits);
	slot->used = true;
	slot->started = wait_clock();
	memset(&slot->sample, 0, sizeof(slot->sample));
	if (error == -EBUSY) {
		kill_slot(slot, VERDICT_MEMORY_LIMIT);	/* less than pid 1 alone takes */
		return;
	}
	if (!error)
		error = message_send(slot->control, &order, sizeof(order), slot->fds, slot->fds_len);
	close_run_fds(slot);
	if (error) {
		slot->report = (struct jail_report){ .type = JAIL_FAILED, .error = -error };
		snprintf(slot->report.step, sizeof(slot->report.step), "set the limits");
		kill_slot(slot, VERDICT_INTERNAL);
		return;
	}
	slot->state = SLOT_RUNNING;
	look_again(launcher, slot, 0, slot->started);
}

static void
take_report(struct slot *slot)
{
	struct jail_report report;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;

	while (message_receive(slot->control, &report, sizeof(report), fds, &fds_len) ==
	    (ssize_t)sizeof(report)) {
		while (fds_len)
			close(fds[--fds_len]);
		report.step[sizeof(report.step) - 1] = '\0';
		/* The first that counts wins: "exited 127" follows a failed exec. What comes behind the end of a
		 * run is for the next look. */
		if (slot->report.type == 0 || slot->report.type == JAIL_READY)
			slot->report = report;
		if (report.type == JAIL_ENDED && report.alone)
			return;
	}
}

static void
set_ending(struct message_result *result, const struct slot *slot)
{
	int status = slot->report.wait_status;

	if (slot->report.type != JAIL_ENDED) {
		result->signal = SIGKILL;
		return;
	}
	if (WIFSIGNALED(status))
		result->signal = WTERMSIG(status);
	else
		result->exit_code = WEXITSTATUS(status);
}

static void
set_failure(struct message_result *result, const struct slot *slot)
{
	result->error = slot->report.error ? slot->report.error : EIO;
	snprintf(result->step, sizeof(result->step), "%s",
	    slot->report.step[0] ? slot->report.step : "pid 1 ended without a word");
}

/* Why the run ended, by what is known outside of it. */
static void
judge(const struct launcher *launcher, const struct slot *slot, const struct cgroup_usage *usage,
    struct message_result *result)
{
	bool ran = slot->started != 0;

	if (slot->decided && slot->verdict != VERDICT_INTERNAL) {
		result->verdict = (uint32_t)slot->verdict;
		result->signal = SIGKILL;
	} else if (ran && usage->oom_kills) {
		result->verdict = usage->host_oom ? VERDICT_HOST_MEMORY_LIMIT : VERDICT_MEMORY_LIMIT;
		set_ending(result, slot);
	} else if (slot->report.type == JAIL_EXEC) {
		result->verdict = VERDICT_EXEC_FAILED;
		result->exit_code = slot->report.error == ENOENT || slot->report.error == ENOTDIR ? 127 : 126;
		result->error = slot->report.error;
	} else if (slot->report.type != JAIL_ENDED) {
		result->verdict = VERDICT_INTERNAL;
		set_failure(result, slot);
	} else {
		set_ending(result, slot);
		result->verdict = result->signal ? VERDICT_SIGNALED : VERDICT_EXITED;
		/* It ended by itself before the next look, but not within its limit. */
		if (usage->cpu_ns > slot->run.limits.time_ms * MILLISECOND)
			result->verdict = VERDICT_TIME_LIMIT;
		else if (!by_group(launcher) && usage->peak_kb > slot->run.limits.mem_kb)
			result->verdict = VERDICT_MEMORY_LIMIT;
	}
}

/* The command has ended, and nothing of it is left: what is known of it goes to the front. */
static void
conclude(struct launcher *launcher, struct slot *slot, int64_t now)
{
	struct cgroup_usage usage;
	struct message_result result = {
		.type = MESSAGE_RESULT, .run = slot->run.run, .generation = slot->run.generation,
		.exit_code = -1, .by_group = by_group(launcher),
	};

	if (!by_group(launcher) && slot->report.type == JAIL_ENDED)
		sample_end(&slot->sample, slot->report.user_ns, slot->report.system_ns,
		    slot->report.max_rss_kb);
	read_usage(launcher, slot, &usage, true);
	judge(launcher, slot, &usage, &result);
	if (slot->session)
		result.disk_used_kb = store_used_kb(launcher->store, slot->session);
	if (slot->started) {
		result.usage.cpu_ns = usage.cpu_ns;
		result.usage.user_ns = usage.user_ns;
		result.usage.system_ns = usage.system_ns;
		result.usage.mem_kb = usage.peak_kb;
		result.usage.wall_ns = (uint64_t)(now - slot->started);
	}
	end_with(launcher, slot, &result);
}

/* pid 1 is gone, and with it everything in the sandbox. */
static void
end_sandbox(struct launcher *launcher, struct slot *slot, int64_t now)
{
	while (waitpid(slot->pid, NULL, 0) < 0 && errno == EINTR)
		;
	take_report(slot);
	if (slot->has_run)
		conclude(launcher, slot, now);
	else if (!slot->used)
		launcher->spare_failed = true;
	empty(launcher, slot);
}

/* pid 1 has said something. */
static void
step_reports(struct launcher *launcher, struct slot *slot, int64_t now)
{
	take_report(slot);
	if (slot->state == SLOT_RUNNING && slot->report.type == JAIL_ENDED && slot->report.alone) {
		conclude(launcher, slot, now);
		slot->report.type = 0;
		slot->state = SLOT_SETTLING;
		slot->look = now + build_deadline_ns;
		take_report(slot);
	}
	if (slot->report.type != JAIL_READY)
		return;
	if (slot->state == SLOT_SETTLING && !cgroup_again(slot->group)) {
		close_fd(&slot->control);	/* pid 1 takes that as its end */
		return;
	}
	if (slot->state == SLOT_BUILDING || slot->state == SLOT_SETTLING) {
		slot->report.type = 0;
		if (slot->has_run) {
			send_order(launcher, slot);
			return;
		}
		slot->state = SLOT_READY;
		slot->look = now + ready_ns;
	}
}

/* --- requests of the front --------------------------------------------------------------------- */

/* A front that is ours cannot have sent this. */
static int
violation(struct launcher *launcher, const char *what)
{
	log_say(LOG_TEXT, "the server broke the protocol: %s", what);
	launcher->front_failed = true;
	return -EPROTO;
}

/* File operations have limits of their own, which follow from a session's disk: the operator's ceilings are for commands. */
static uint64_t
greatest_limit(const struct launcher *launcher, enum limit_id id, uint32_t operation)
{
	uint64_t ceiling = operation == OPERATION_COMMAND ? limits_get(&launcher->config.ceilings, id) : 0;
	return ceiling && ceiling < limit_fields[id].greatest ? ceiling : limit_fields[id].greatest;
}

static bool
limits_valid(const struct launcher *launcher, const struct limits *limits, uint32_t operation)
{
	for (int i = 0; i < LIMITS_LEN; i++) {
		enum limit_id id = (enum limit_id)i;
		uint64_t value = limits_get(limits, id);
		if (value < 1 || value > greatest_limit(launcher, id, operation))
			return false;
	}
	return limits->nofile <= launcher->facts.nofile_max;
}

/* What a sandbox may be given: sealed memory, pipes, terminals, files, /dev/null. Never a directory, a socket, or anything that
 * names something else of ours. */
static bool
descriptor_valid(int fd, bool parcel)
{
	struct stat stat;
	struct statfs system;

	if (fstat(fd, &stat))
		return false;
	if (parcel) {
		int seals = fcntl(fd, F_GET_SEALS);
		int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
		return seals >= 0 && (seals & needed) == needed && stat.st_size <= MESSAGE_PARCEL_MAX;
	}
	/* So that a program can open its /dev/stdout, as it can elsewhere; a named FIFO of the host's keeps its mode. */
	if (S_ISFIFO(stat.st_mode) && !fstatfs(fd, &system) && system.f_type == PIPEFS)
		(void)fchmod(fd, 0666);
	return S_ISFIFO(stat.st_mode) || S_ISREG(stat.st_mode) ||
	    (S_ISCHR(stat.st_mode) && (isatty(fd) || stat.st_rdev == makedev(1, 3)));
}

static struct slot *
slot_of_run(struct launcher *launcher, const struct message_run *run)
{
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state != SLOT_EMPTY && slot->has_run && slot->run.run == run->run)
			return slot;
	}
	return NULL;
}

static struct slot *
empty_slot(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].state == SLOT_EMPTY)
			return &launcher->slots[i];
	return NULL;
}

/* A sandbox that waits for a run of this kind. */
static struct slot *
ready_slot(struct launcher *launcher, const struct message_run *run)
{
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_READY && slot->network == run->network)
			return slot;
	}
	return NULL;
}

static int
check_run(struct launcher *launcher, const struct message_run *run, const int *fds, size_t fds_len)
{
	if (run->run >= launcher->config.runs_max || run->operation >= OPERATIONS_LEN ||
	    run->network >= NETWORKS_LEN || run->has_copy_out > 1)
		return violation(launcher, "run: out of range");
	if (run->network == NETWORK_HOST && !launcher->config.network_host)
		return violation(launcher, "run: network not granted");
	if (!limits_valid(launcher, &run->limits, run->operation))
		return violation(launcher, "run: limits");
	if (slot_of_run(launcher, run))
		return violation(launcher, "run: in use");
	if (fds_len != 4 + run->has_copy_out)
		return violation(launcher, "run: descriptors");
	for (size_t i = 0; i < fds_len; i++)
		if (!descriptor_valid(fds[i], i == 0))
			return violation(launcher, "run: a descriptor of the wrong kind");
	return 0;
}

static int
on_run(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_run run = message->run;
	struct store_session *session = NULL;

	run.session[sizeof(run.session) - 1] = '\0';
	int error = check_run(launcher, &run, fds, *fds_len);
	if (error)
		return error;
	struct slot *slot = run.session[0] ? NULL : ready_slot(launcher, &run);
	bool is_ready = slot != NULL;
	if (!slot)
		slot = empty_slot(launcher);
	if (!slot) {
		/* Earlier sandboxes are still going. */
		struct message_result busy = {
			.type = MESSAGE_RESULT, .run = run.run, .generation = run.generation,
			.verdict = VERDICT_INTERNAL, .exit_code = -1, .error = EAGAIN, .step = "find a place",
		};
		answer(launcher, &busy, sizeof(busy), -1);
		return 0;
	}
	launcher->spare_failed = false;
	if (run.session[0]) {
		session = launcher->store && store_id_valid(run.session) ?
		    store_find(launcher->store, run.session) : NULL;
		if (session)
			run.network = launcher->config.network_host ? session->network : NETWORK_NONE;
	}
	slot->run = run;
	slot->has_run = true;
	slot->decided = false;
	slot->verdict = VERDICT_INTERNAL;
	slot->started = slot->oom_until = 0;
	memset(&slot->report, 0, sizeof(slot->report));
	memcpy(slot->fds, fds, sizeof(int) * *fds_len);
	slot->fds_len = *fds_len;
	*fds_len = 0;			/* the slot's now */
	if (is_ready) {
		send_order(launcher, slot);
		return 0;
	}
	slot->session = NULL;
	slot->network = run.network;
	slot->disk_kb = run.limits.disk_kb;
	if (run.session[0] && (!session || session->closing)) {
		finish_failed(launcher, slot, "find the session", ENOENT);
		return 0;
	}
	slot->session = session;
	if (session)
		session->running++;
	start_building(launcher, slot);
	return 0;
}

static int
on_cancel(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	(void)fds;
	(void)fds_len;
	struct slot *slot = slot_of_run(launcher, &message->run);
	if (slot && slot->run.generation == message->run.generation)
		kill_slot(slot, VERDICT_CANCELED);
	return 0;
}

static int
check_session(struct launcher *launcher, struct message_session *what, const int *fds, size_t fds_len)
{
	struct stat stat;

	what->id[sizeof(what->id) - 1] = '\0';
	if (!launcher->store)
		return violation(launcher, "session: none are kept");
	if (!store_id_valid(what->id))
		return violation(launcher, "session: id");
	if (fds_len && (!descriptor_valid(fds[0], true) || fstat(fds[0], &stat) ||
	    stat.st_size > MESSAGE_META_MAX))
		return violation(launcher, "session: record");
	return 0;
}

static void
answer_session(struct launcher *launcher, const struct message_session *what, int error)
{
	struct message_session done = *what;

	done.type = MESSAGE_SESSION_DONE;
	done.error = error < 0 ? -error : error;
	answer(launcher, &done, sizeof(done), -1);
}

/* Whether the host has hardly any memory left that is really available (proc(5), MemAvailable): a new session would fill what the
 * others count on. */
static bool
memory_is_short(const struct launcher *launcher)
{
	char text[512];

	int fd = openat(root_proc(launcher->root), "meminfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *available = strstr(text, "MemAvailable:");
	return available && strtoull(available + 13, NULL, 10) < MEMORY_LEAST_KB;
}

static int
on_session_open(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_session what = message->session;

	int error = check_session(launcher, &what, fds, *fds_len);
	if (error)
		return error;
	if (what.network >= NETWORKS_LEN || (what.network == NETWORK_HOST && !launcher->config.network_host))
		return violation(launcher, "session: network not granted");
	if (what.disk_kb < 1 || what.disk_kb > greatest_limit(launcher, LIMIT_DISK, OPERATION_COMMAND))
		return violation(launcher, "session: disk");
	error = memory_is_short(launcher) ? -ENOMEM : store_create(launcher->store, &what, fds[0]);
	answer_session(launcher, &what, error);
	return 0;
}

static int
on_session_save(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_session what = message->session;

	int error = check_session(launcher, &what, fds, *fds_len);
	if (error)
		return error;
	struct store_session *session = store_find(launcher->store, what.id);
	error = !session || session->closing ? -ENOENT : store_save(launcher->store, session, fds[0]);
	answer_session(launcher, &what, error);
	return 0;
}

static int
on_session_close(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_session what = message->session;

	int error = check_session(launcher, &what, fds, *fds_len);
	if (error)
		return error;
	struct store_session *session = store_find(launcher->store, what.id);
	if (!session || session->closing) {
		answer_session(launcher, &what, -ENOENT);
		return 0;
	}
	session->closing = true;
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].session == session)
			kill_slot(&launcher->slots[i], VERDICT_CANCELED);
	/* It is gone for a restart from now on; its files go when the last run has let go of them. */
	error = store_forget(launcher->store, session);
	if (!session->running)
		(void)store_remove(launcher->store, session);
	answer_session(launcher, &what, error);
	return 0;
}

static int
on_session_usage(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_session what = message->session;

	int error = check_session(launcher, &what, fds, *fds_len);
	if (error)
		return error;
	struct store_session *session = store_find(launcher->store, what.id);
	if (session)
		what.used_kb = store_used_kb(launcher->store, session);
	answer_session(launcher, &what, session ? 0 : -ENOENT);
	return 0;
}

static int
on_goodbye(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	(void)fds;
	(void)fds_len;
	launcher->keep_sessions = message->plain.session_keep && launcher->config.keep_sessions;
	return 0;
}

/* What the front may ask: each message's size and how many descriptors come with it. */
static const struct request {
	size_t size;
	size_t fds_least, fds_most;
	int (*handle)(struct launcher *, const union message *, int *fds, size_t *fds_len);
} requests[] = {
	[MESSAGE_RUN] = { sizeof(struct message_run), 4, 5, on_run },
	[MESSAGE_CANCEL] = { sizeof(struct message_run), 0, 0, on_cancel },
	[MESSAGE_SESSION_OPEN] = { sizeof(struct message_session), 1, 1, on_session_open },
	[MESSAGE_SESSION_SAVE] = { sizeof(struct message_session), 1, 1, on_session_save },
	[MESSAGE_SESSION_CLOSE] = { sizeof(struct message_session), 0, 0, on_session_close },
	[MESSAGE_SESSION_USAGE] = { sizeof(struct message_session), 0, 0, on_session_usage },
	[MESSAGE_GOODBYE] = { sizeof(struct message_plain), 0, 0, on_goodbye },
};

/* Takes what has come, a bounded number at a time. False when the front's end is closed. */
static bool
take_requests(struct launcher *launcher)
{
	union message message;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;

	for (int i = 0; i < 64 && !launcher->front_failed; i++) {
		memset(&message, 0, sizeof(message));
		ssize_t n = message_receive(launcher->front, &message, sizeof(message), fds, &fds_len);
		if (n == -EAGAIN)
			return true;
		if (n == 0 || n == -ECONNRESET)
			return false;
		const struct request *request = NULL;
		if (n >= (ssize_t)sizeof(message.type) &&
		    message.type < sizeof(requests) / sizeof(requests[0]))
			request = &requests[message.type];
		if (!request || !request->handle || (size_t)n != request->size ||
		    fds_len < request->fds_least || fds_len > request->fds_most)
			(void)violation(launcher, "no such message");
		else
			(void)request->handle(launcher, &message, fds, &fds_len);
		while (fds_len)
			close(fds[--fds_len]);
	}
	return true;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static void
wait_slots(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		slot->wait_pidfd = slot->wait_control = slot->wait_oom = WAIT_NONE;
		if (slot->state == SLOT_EMPTY)
			continue;
		slot->wait_pidfd = wait_add(&launcher->wait, slot->pidfd, POLLIN);
		if (slot->state != SLOT_KILLING)
			slot->wait_control = wait_add(&launcher->wait, slot->control, POLLIN);
		if (slot->state == SLOT_BUILDING || slot->state == SLOT_SETTLING ||
		    (slot->state == SLOT_READY && launcher->ready > READY_KEPT)) {
			wait_until(&launcher->wait, slot->look);
		} else if (slot->state == SLOT_RUNNING) {
			wait_until(&launcher->wait, slot->look);
			wait_until(&launcher->wait, wall_deadline(slot));
			if (slot->oom_until)
				wait_until(&launcher->wait, launcher->wait.now + MILLISECOND);
			else
				slot->wait_oom = wait_add(&launcher->wait, cgroup_oom_fd(slot->group),
				    POLLIN | POLLPRI);
		}
	}
}

static void
step_slots(struct launcher *launcher)
{
	int64_t now = launcher->wait.now;

	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_EMPTY)
			continue;
		if (wait_ready(&launcher->wait, slot->wait_pidfd)) {
			end_sandbox(launcher, slot, now);
			continue;
		}
		if (wait_ready(&launcher->wait, slot->wait_control) && slot->state != SLOT_KILLING)
			step_reports(launcher, slot, now);
		if (wait_ready(&launcher->wait, slot->wait_oom)) {
			slot->oom_until = now + oom_settle_ns;
		}
		if (slot->oom_until)
			look_for_oom(slot, now);
		look(launcher, slot, now);
	}
}

/* Reads the tokens and hands the front their digests. A file that cannot be read at a SIGHUP leaves the old ones. */
static void
launcher_tokens(struct launcher *launcher)
{
	const struct launcher_config *config = &launcher->config;
	struct message_tokens tokens = { .type = MESSAGE_TOKENS };

	if (config->tokens)
		tokens = *config->tokens;
	tokens.type = MESSAGE_TOKENS;
	tokens.required = config->token_required;
	if (config->token_file) {
		int fd = openat(launcher->token_dir, launcher->token_name, O_RDONLY | O_CLOEXEC);
		int error = fd < 0 ? -errno : token_read(fd, &tokens);
		if (fd >= 0)
			close(fd);
		if (error) {
			complain("cannot read the tokens", config->token_file, error);
			return;
		}
	}
	answer(launcher, &tokens, sizeof(tokens), -1);
}

/* Builds one ahead of need, and gives back what has not been needed for a while. */
static void
tend_ready(struct launcher *launcher)
{
	int64_t now = launcher->wait.now;
	size_t coming = 0;

	launcher->ready = 0;
	for (size_t i = 0; i < launcher->slots_len; i++) {
		const struct slot *slot = &launcher->slots[i];
		launcher->ready += slot->state == SLOT_READY;
		coming += (slot->state == SLOT_BUILDING && !slot->has_run) || slot->state == SLOT_SETTLING;
	}
	for (size_t i = 0; i < launcher->slots_len && launcher->ready > READY_KEPT; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_READY && now >= slot->look) {
			kill_slot(slot, VERDICT_CANCELED);
			launcher->ready--;
		}
	}
	struct slot *slot = empty_slot(launcher);
	if (!launcher->config.reuse || launcher->ready + coming >= READY_KEPT || launcher->spare_failed || !slot)
		return;
	memset(&slot->report, 0, sizeof(slot->report));
	slot->has_run = slot->decided = false;
	slot->session = NULL;
	slot->started = slot->oom_until = 0;
	slot->network = NETWORK_NONE;
	slot->disk_kb = limit_fields[LIMIT_DISK].standard;
	start_building(launcher, slot);
}

static void
take_signals(struct launcher *launcher)
{
	struct signalfd_siginfo info;

	while (read(launcher->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		/* A server's hang-up means its tokens; a command line's is its terminal's. */
		if (info.ssi_signo == SIGHUP && launcher->config.state_dir)
			launcher_tokens(launcher);
		else
			answer_plain(launcher, MESSAGE_DRAIN, info.ssi_signo);
	}
}

static int
wait_round(struct launcher *launcher)
{
	struct wait *wait = &launcher->wait;

	wait_begin(wait);
	launcher->wait_front = wait_add(wait, launcher->front,
	    (short)(POLLIN | (launcher->outbox_len || launcher->tokens_due ? POLLOUT : 0)));
	launcher->wait_front_pidfd = wait_add(wait, launcher->front_pidfd, POLLIN);
	launcher->wait_signals = wait_add(wait, launcher->signals, POLLIN);
	tend_ready(launcher);
	if (launcher->removing)
		wait_until(wait, wait->now + remover_ns);
	wait_slots(launcher);
	return wait_poll(wait);
}

static void
end_all_runs(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++)
		kill_slot(&launcher->slots[i], VERDICT_CANCELED);
	for (size_t i = 0; i < launcher->slots_len; i++) {
		struct slot *slot = &launcher->slots[i];
		if (slot->state == SLOT_EMPTY)
			continue;
		while (waitpid(slot->pid, NULL, 0) < 0 && errno == EINTR)
			;
		slot->state = SLOT_EMPTY;
		close_run_fds(slot);
		close_fd(&slot->control);
		close_fd(&slot->pidfd);
		leave_session(launcher, slot->session);
	}
}

static void
send_sessions(struct launcher *launcher)
{
	struct store_session *session;

	for (size_t i = 0; launcher->store && (session = store_at(launcher->store, i)); i++) {
		struct message_session found = {
			.type = MESSAGE_SESSION_FOUND, .disk_kb = session->disk_kb,
			.network = session->network,
		};
		snprintf(found.id, sizeof(found.id), "%s", session->id);
		int record = store_record(launcher->store, session);
		if (record < 0)
			continue;
		struct pollfd room = { .fd = launcher->front, .events = POLLOUT };
		while (message_send(launcher->front, &found, sizeof(found), &record, 1) == -EAGAIN)
			if (poll(&room, 1, -1) < 0 && errno != EINTR)
				break;
		close(record);
	}
}

void
launcher_close(struct launcher *launcher, bool keep_sessions)
{
	if (launcher->store)
		store_close(launcher->store, keep_sessions);
	for (size_t i = 0; i < launcher->slots_len; i++) {
		cgroup_group_close(launcher->slots[i].group);
		close_fd(&launcher->slots[i].userns);
	}
	cgroup_close(launcher->cgroup);
	uid_block_close(&launcher->uids);
	wait_close(&launcher->wait);
	free(launcher->slots);
	free(launcher->outbox);
	free(launcher);
}

static int
finish_serving(struct launcher *launcher)
{
	int status = 0;

	/* One that is ending has its exit status already; one that only closed its socket would live on. */
	(void)syscall(SYS_pidfd_send_signal, launcher->front_pidfd, SIGKILL, NULL, 0);
	end_all_runs(launcher);
	while (launcher->outbox_len) {
		close_fd(&launcher->outbox[launcher->outbox_first].fd);
		launcher->outbox_first = (launcher->outbox_first + 1) % OUTBOX_MAX;
		launcher->outbox_len--;
	}
	close(launcher->front);
	while (waitpid(launcher->front_pid, &status, 0) < 0 && errno == EINTR)
		;
	/* A front that crashed said nothing of its sessions: they are kept for the next start. */
	bool crashed = !WIFEXITED(status);
	launcher_close(launcher, crashed || launcher->keep_sessions);
	return status;
}

int
launcher_serve(struct launcher *launcher, int front, pid_t pid)
{
	launcher->front = front;
	launcher->front_pid = pid;
	launcher->front_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (launcher->front_pidfd < 0)
		launcher->front_failed = true;
	send_sessions(launcher);
	launcher_tokens(launcher);
	answer_plain(launcher, MESSAGE_READY, 0);
	bool open = true;
	while (open && !launcher->front_failed) {
		int error = wait_round(launcher);
		if (error) {
			complain("poll", NULL, error);
			break;
		}
		if (wait_ready(&launcher->wait, launcher->wait_signals))
			take_signals(launcher);
		step_slots(launcher);
		flush_outbox(launcher);
		if (launcher->tokens_due && !launcher->outbox_len) {
			launcher->tokens_due = false;
			launcher_tokens(launcher);
		}
		if (wait_ready(&launcher->wait, launcher->wait_front))
			open = take_requests(launcher);
		if (wait_ready(&launcher->wait, launcher->wait_front_pidfd))
			open = false;
		launcher->removing = launcher->store && store_reap(launcher->store);
	}
	return finish_serving(launcher);
}

/* --- opening ------------------------------------------------------------------------------------ */

static void
find_facts(struct launcher *launcher)
{
	struct launcher_facts *facts = &launcher->facts;
	struct rlimit files;
	cpu_set_t cores;

	facts->one_uid = launcher->uids.one;
	facts->cores = 1;
	if (!sched_getaffinity(0, sizeof(cores), &cores) && CPU_COUNT(&cores) > 0)
		facts->cores = (unsigned)CPU_COUNT(&cores);
	/* Raised as far as it goes: a command's limit cannot be above ours. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		struct rlimit most = { limit_fields[LIMIT_NOFILE].greatest, limit_fields[LIMIT_NOFILE].greatest };
		if (files.rlim_max < most.rlim_max && setrlimit(RLIMIT_NOFILE, &most))
			most.rlim_cur = most.rlim_max = files.rlim_max;
		else if (files.rlim_max >= most.rlim_max)
			most = (struct rlimit){ files.rlim_max, files.rlim_max };
		(void)setrlimit(RLIMIT_NOFILE, &most);
		facts->nofile_max = most.rlim_max;
	}
}

static void
try_userns(struct launcher *launcher)
{
	struct launcher_facts *facts = &launcher->facts;
	int fd;

	if (launcher->config.no_userns) {
		snprintf(facts->userns_why, sizeof(facts->userns_why), "turned off by --no-userns");
		return;
	}
	fd = jail_userns(root_proc(launcher->root), launcher->uids.init, launcher->uids.user,
	    launcher->uids.one);
	facts->userns = fd >= 0;
	if (fd >= 0)
		close(fd);
	else
		snprintf(facts->userns_why, sizeof(facts->userns_why),
		    "%s: see user.max_user_namespaces, kernel.unprivileged_userns_clone, "
		    "kernel.apparmor_restrict_unprivileged_userns", strerror(-fd));
}

static void
try_cgroup_namespace(struct launcher *launcher)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	launcher->facts.cgroup_namespace = pid > 0;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int
open_signals(struct launcher *launcher)
{
	static const int asked[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		/* Who started a command line with a signal ignored (nohup) wants it to stay so. */
		if (!launcher->config.state_dir && !sigaction(asked[i], NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, asked[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	launcher->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	launcher->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return launcher->signals < 0 || launcher->self < 0 ? -errno : 0;
}

/* The file's directory is opened now: later the launcher has no path to it. A renamed-in new file is found. */
static int
open_token_dir(struct launcher *launcher)
{
	char dir[4096];

	if (!launcher->config.token_file)
		return 0;
	snprintf(dir, sizeof(dir), "%s", launcher->config.token_file);
	char *slash = strrchr(dir, '/');
	launcher->token_name = slash ? launcher->config.token_file + (slash - dir) + 1 :
	    launcher->config.token_file;
	if (slash)
		slash[slash == dir] = '\0';
	launcher->token_dir = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return launcher->token_dir < 0 ? -errno : 0;
}

static int
open_slots(struct launcher *launcher)
{
	/* While a sandbox settles its successor may be needed already. */
	size_t len = (launcher->config.reuse ? 2 : 1) * launcher->config.runs_max + SPARE_SLOTS;

	if (len > launcher->uids.slots - 1)	/* the last uid is the front's */
		len = launcher->uids.slots - 1;
	if (len < launcher->config.runs_max)
		return -EINVAL;
	launcher->slots = calloc(len, sizeof(*launcher->slots));
	launcher->outbox = calloc(OUTBOX_MAX, sizeof(*launcher->outbox));
	if (!launcher->slots || !launcher->outbox)
		return -ENOMEM;
	launcher->slots_len = len;
	for (size_t i = 0; i < len; i++) {
		struct slot *slot = &launcher->slots[i];
		slot->number = (unsigned)i;
		slot->userns = slot->pidfd = slot->control = -1;
	}
	return 0;
}

static int
open_namespaces(struct launcher *launcher, struct root_fault *fault)
{
	const struct launcher_config *config = &launcher->config;
	struct cgroup_config cgroup = { .mem_max_kb = config->mem_max_kb, .disabled = config->no_cgroup };
	struct root_config root = {
		.rootfs = config->rootfs, .binds = config->binds, .binds_len = config->binds_len,
		.uid = config->no_userns ? launcher->uids.user : JAIL_UID_USER,
		.gid = config->no_userns ? launcher->uids.user : JAIL_UID_USER,
		.rootless = launcher->uids.one,
	};
	int error;

	fault->step = "unshare the mount namespace";
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	fault->step = "open the namespace of sessions";
	if (launcher->store && (error = store_settle(launcher->store)))
		return error;
	fault->step = "open the cgroups";
	if ((error = cgroup_open(&launcher->cgroup, &cgroup, &launcher->facts.cgroup)))
		return error;
	return root_open(&launcher->root, &root, fault);
}

static int
write_own(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, strlen(text));
	int error = n < 0 ? -errno : 0;
	close(fd);
	return error;
}

/* An ordinary user becomes root of a user namespace that has no id but the user's own, and of a mount namespace in it. From
 * there everything is made as by root, as far as one id goes (user_namespaces(7)). */
static int
become_rootless(struct root_fault *fault)
{
	char uid_map[48], gid_map[48];
	int error;

	if (geteuid() == 0)
		return 0;
	snprintf(uid_map, sizeof(uid_map), "0 %u 1\n", (unsigned)geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1\n", (unsigned)getegid());
	fault->step = "make a user namespace without root (opensandbox check says what forbids it)";
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	fault->step = "map the user's id";
	if ((error = write_own("/proc/self/setgroups", "deny")) ||
	    (error = write_own("/proc/self/uid_map", uid_map)))
		return error;
	return write_own("/proc/self/gid_map", gid_map);
}

int
launcher_open(struct launcher **out, const struct launcher_config *config, struct root_fault *fault)
{
	int error;

	umask(022);			/* /dev and /etc of sandboxes are for every user, whatever the caller's is */
	fault->step = "allocate memory";
	struct launcher *launcher = calloc(1, sizeof(*launcher));
	if (!launcher)
		return -ENOMEM;
	launcher->config = *config;
	launcher->token_dir = launcher->uids.lock = -1;
	wait_open(&launcher->wait);
	fault->step = "build the seccomp filters";
	if ((error = seccomp_build(&launcher->command_filter, SECCOMP_COMMAND, 0)) ||
	    (error = seccomp_build(&launcher->init_filter, SECCOMP_INIT, 0)))
		goto err;
	fault->step = "open the token file";
	if ((error = open_token_dir(launcher)) || (error = become_rootless(fault)))
		goto err;
	fault->step = "take a block of uids";
	if (config->state_dir) {
		struct store_config store = { .dir = config->state_dir, .sessions_max = config->sessions_max };
		if ((error = store_open(&launcher->store, &store, &launcher->uids, fault)))
			goto err;
	} else if ((error = uid_block_open(&launcher->uids, 0, NULL))) {
		goto err;
	}
	if ((error = open_slots(launcher)) || (error = open_namespaces(launcher, fault)))
		goto err;
	fault->step = "open the signals";
	if ((error = open_signals(launcher)))
		goto err;
	find_facts(launcher);
	try_userns(launcher);
	try_cgroup_namespace(launcher);
	/* The clocks must be looked at in time also when sandboxes keep every core busy. */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	fault->step = NULL;
	*out = launcher;
	return 0;
err:
	launcher_close(launcher, true);
	return error;
}

const struct launcher_facts *
launcher_facts(const struct launcher *launcher)
{
	return &launcher->facts;
}

unsigned
launcher_front_uid(const struct launcher *launcher)
{
	return launcher->uids.user + launcher->uids.slots - 1;
}
