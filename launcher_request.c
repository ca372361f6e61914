/* launcher_request.c - what the front may ask of the launcher, and whether it may
 *
 * The front may have been taken over: each message is checked here as if it were (table `requests`), and one that the front's
 * code could not have sent ends the front. */
#include "launcher_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "available.h"
#include "log.h"

enum {
	MEMORY_LEAST_KB = 65536,	/* that must be available for a new session */
};

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

/* Memory that nobody can change any more. */
static bool
is_sealed(int fd, const struct stat *stat, off_t most)
{
	int seals = fcntl(fd, F_GET_SEALS);
	int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

	return seals >= 0 && (seals & needed) == needed && stat->st_size <= most;
}

/* A pipe without a name, as pipe(2) makes it. */
static bool
is_pipe(const struct launcher *launcher, const struct stat *stat)
{
	return S_ISFIFO(stat->st_mode) && stat->st_dev == launcher->pipes;
}

static mode_t
pipe_mode(int access)
{
	return access == O_RDONLY ? 0444 : access == O_WRONLY ? 0222 : 0666;
}

/* What a client's bytes come in: pid 1 takes it to pieces. */
static bool
parcel_valid(const struct launcher *launcher, int fd)
{
	struct stat stat;

	return !fstat(fd, &stat) && (is_pipe(launcher, &stat) || is_sealed(fd, &stat, MESSAGE_PARCEL_MAX));
}

/* What a command may be given: pipes, terminals, files, /dev/null. Never a directory, a socket, or anything that names something
 * else of ours. */
static bool
stream_valid(const struct launcher *launcher, int fd)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return false;
	/* So that a program can open its /dev/stdout, as it can elsewhere, but for no more than it was given: who writes to a
	 * pipe does not read what others have written to it. A named FIFO of the host's keeps its mode. */
	if (is_pipe(launcher, &stat))
		(void)fchmod(fd, pipe_mode(fcntl(fd, F_GETFL) & O_ACCMODE));
	return S_ISFIFO(stat.st_mode) || S_ISREG(stat.st_mode) ||
	    (S_ISCHR(stat.st_mode) && (stat.st_rdev == makedev(1, 3) || isatty(fd)));
}

static int
check_run(struct launcher *launcher, const struct message_run *run, const int *fds, size_t fds_len)
{
	if (run->run >= launcher->config.runs_max || run->operation >= OPERATIONS_LEN ||
	    run->network >= NETWORKS_LEN || run->has_copy_out > 1 ||
	    (run->network == NETWORK_HOST && !launcher->config.network_host) ||
	    !limits_valid(launcher, &run->limits, run->operation) || slot_find(launcher, run))
		return violation(launcher, "run");
	bool valid = fds_len == 4 + run->has_copy_out && parcel_valid(launcher, fds[0]);
	for (size_t i = 1; valid && i < fds_len; i++)
		valid = stream_valid(launcher, fds[i]);
	return valid ? 0 : violation(launcher, "run");
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
	struct slot *slot = run.session[0] ? NULL : slot_find_ready(launcher, &run);
	bool is_coming = slot != NULL;
	if (!slot)
		slot = slot_find_empty(launcher);
	if (!slot) {
		/* Earlier sandboxes are still going. */
		run_refuse(launcher, &run, "find a place", EAGAIN);
		return 0;
	}
	launcher->no_spare = !launcher->config.reuse;
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
	slot->started = 0;
	memcpy(slot->fds, fds, sizeof(int) * *fds_len);
	slot->fds_len = *fds_len;
	*fds_len = 0;			/* the slot's now */
	if (is_coming) {
		if (slot->state == SLOT_READY)
			run_order(launcher, slot);
		return 0;
	}
	slot->session = NULL;
	slot->network = run.network;
	slot->disk_kb = run.limits.disk_kb;
	if (run.session[0] && (!session || session->closing)) {
		slot_fail(launcher, slot, "find the session", ENOENT);
		return 0;
	}
	slot->session = session;
	if (session)
		session->running++;
	slot_build(launcher, slot);
	return 0;
}

static int
on_cancel(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	(void)fds;
	(void)fds_len;
	struct slot *slot = slot_find(launcher, &message->run);
	if (slot && slot->run.generation == message->run.generation)
		slot_kill(slot, VERDICT_CANCELED);
	return 0;
}

static int
check_session(struct launcher *launcher, struct message_session *what, const int *fds, size_t fds_len)
{
	struct stat stat;

	what->id[sizeof(what->id) - 1] = '\0';
	if (!launcher->store || !store_id_valid(what->id) ||
	    (fds_len && (fstat(fds[0], &stat) || !is_sealed(fds[0], &stat, MESSAGE_META_MAX))))
		return violation(launcher, "session");
	return 0;
}

/* Whether the host has hardly any memory left that is really available (proc(5), MemAvailable): a new session would fill what the
 * others count on. */
static bool
memory_is_short(int proc)
{
	return available_memory_kb(proc) < MEMORY_LEAST_KB;
}

static int
close_session(struct launcher *launcher, struct store_session *session)
{
	session->closing = true;
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].session == session)
			slot_kill(&launcher->slots[i], VERDICT_CANCELED);
	/* It is gone for a restart from now on; its files go when the last run has let go of them. */
	int error = store_forget(launcher->store, session);
	if (!session->running)
		session_remove(launcher, session);
	return error;
}

static int
open_session(struct launcher *launcher, const struct message_session *what, int record)
{
	if (what->network >= NETWORKS_LEN || (what->network == NETWORK_HOST && !launcher->config.network_host) ||
	    what->disk_kb < 1 || what->disk_kb > greatest_limit(launcher, LIMIT_DISK, OPERATION_COMMAND))
		return violation(launcher, "session");
	return memory_is_short(root_proc(launcher->root)) ? -ENOMEM : store_create(launcher->store, what, record);
}

static int
on_session(struct launcher *launcher, const union message *message, int *fds, size_t *fds_len)
{
	struct message_session what = message->session;
	bool opens = what.type == MESSAGE_SESSION_OPEN;

	int error = check_session(launcher, &what, fds, *fds_len);
	if (error)
		return error;
	struct store_session *session = opens ? NULL : store_find(launcher->store, what.id);
	if (opens)
		error = open_session(launcher, &what, fds[0]);
	else if (!session || (session->closing && what.type != MESSAGE_SESSION_USAGE))
		error = -ENOENT;
	else if (what.type == MESSAGE_SESSION_USAGE)
		what.used_kb = store_used_kb(launcher->store, session);
	else if (what.type == MESSAGE_SESSION_SAVE)
		error = store_save(launcher->store, session, fds[0]);
	else
		error = close_session(launcher, session);
	what.type = MESSAGE_SESSION_DONE;
	what.error = -error;
	if (!launcher->front_failed)
		launcher_answer(launcher, &what, sizeof(what), -1);
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
	uint16_t size;
	uint8_t fds_least, fds_most;
	int (*handle)(struct launcher *, const union message *, int *fds, size_t *fds_len);
} requests[] = {
	[MESSAGE_RUN] = { sizeof(struct message_run), 4, 5, on_run },
	[MESSAGE_CANCEL] = { sizeof(struct message_run), 0, 0, on_cancel },
	[MESSAGE_SESSION_OPEN] = { sizeof(struct message_session), 1, 1, on_session },
	[MESSAGE_SESSION_SAVE] = { sizeof(struct message_session), 1, 1, on_session },
	[MESSAGE_SESSION_CLOSE] = { sizeof(struct message_session), 0, 0, on_session },
	[MESSAGE_SESSION_USAGE] = { sizeof(struct message_session), 0, 0, on_session },
	[MESSAGE_GOODBYE] = { sizeof(struct message_plain), 0, 0, on_goodbye },
};

/* Takes what has come, a bounded number at a time. False when the front's end is closed. */
bool
launcher_take_requests(struct launcher *launcher)
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
