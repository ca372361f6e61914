/* launcher.c - answers the front's messages: starts sandboxes, holds their clocks, gives verdicts
 *
 * Theory of operation. A slot is the place for one sandbox at a time: a uid pair, a user namespace and a cgroup that are used again, a
 * process that is not. A run walks SLOT_EMPTY → BUILDING (pid 1 puts the sandbox together) → RUNNING (the order is sent; the clocks
 * go) → EMPTY; a limit that is hit or a cancel makes it KILLING in between. The end of a run is always the same event: the pidfd
 * of its pid 1 is readable. By then the kernel has ended every process of the sandbox, pid 1's report is in the socket, and the
 * cgroup's counters are final. The first cause that was seen is the verdict.
 *
 * A sandbox that a run has left without a trace (trace.c; pid 1 says so) need not be thrown away: after RUNNING it is READY, and
 * the next run that wants such a one starts at the cost of an exec; one that has left a trace is ENDING. In both cases the result goes
 * out when pid 1 says that the command has ended and nobody else is left. One READY sandbox is built ahead of need. */
#include "launcher_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "log.h"
#include "token.h"

static const int64_t remover_ns = 50 * MILLISECOND;

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
void
launcher_answer(struct launcher *launcher, const void *message, size_t len, int fd)
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

	launcher_answer(launcher, &message, sizeof(message), -1);
}

/* --- the loop ----------------------------------------------------------------------------------- */

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
	launcher_answer(launcher, &tokens, sizeof(tokens), -1);
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
	slots_tend(launcher);
	if (launcher->removing)
		wait_until(wait, wait->now + remover_ns);
	slots_wait(launcher);
	return wait_poll(wait);
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
		close_fd(&launcher->slots[i].session_userns);
	}
	close_fd(&launcher->netns);
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
	/* One that is ending has its exit status already; one that only closed its socket would live on. */
	(void)syscall(SYS_pidfd_send_signal, launcher->front_pidfd, SIGKILL, NULL, 0);
	slots_end(launcher);
	while (launcher->outbox_len) {
		close_fd(&launcher->outbox[launcher->outbox_first].fd);
		launcher->outbox_first = (launcher->outbox_first + 1) % OUTBOX_MAX;
		launcher->outbox_len--;
	}
	close(launcher->front);
	int status = wait_child(launcher->front_pid);
	/* A front that crashed said nothing of its sessions: they are kept for the next start. */
	bool crashed = !WIFEXITED(status);
	launcher_close(launcher, crashed || launcher->keep_sessions);
	return status;
}

int
launcher_serve(struct launcher *launcher, int front, pid_t pid)
{
	/* Linux 6.18's groups can keep a process of the ordinary class from a processor for a minute, whatever its weight: see
	 * docs/operation.md. What it starts is ordinary again. */
	static const int priority = 1;	/* a struct sched_param */
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &priority);
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
		slots_step(launcher);
		flush_outbox(launcher);
		if (launcher->tokens_due && !launcher->outbox_len) {
			launcher->tokens_due = false;
			launcher_tokens(launcher);
		}
		if (wait_ready(&launcher->wait, launcher->wait_front))
			open = launcher_take_requests(launcher);
		if (wait_ready(&launcher->wait, launcher->wait_front_pidfd))
			open = false;
		launcher->removing = launcher->store && store_reap(launcher->store);
	}
	return finish_serving(launcher);
}
