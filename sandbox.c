/* sandbox.c - runs as the front sees them: see sandbox.h for the theory of operation */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_SIZE = 65536,
	STREAM_MAX = 262144,		/* a stream that its owner does not take is not read beyond this */
	READS_A_STEP = 16,		/* of one pipe: so that a flood does not keep the others waiting */
	INBOX_MAX = 16,			/* messages taken from the launcher in one round */
	OUTBOX_MAX = 1024,		/* messages that the launcher has not taken yet */
	FLOOD_SIZE = 262144,		/* of a pipe of which no more is kept */
	FLOOD_RESTS = 16,		/* between two looks at it, at most */
};
static const int64_t flood_rest_ns = 500000;

struct stream {
	int fd;				/* our end; -1: at its end, or not ours */
	int held;			/* the other end, until the result is there: else the command's end would wake us twice
					   more, just when pid 1 has to be awake; -1 */
	enum sandbox_sink sink;
	struct buf kept;
	uint64_t most;
	bool truncated;
	bool ending;			/* no process of the run is left: `left` bytes at most may be its own */
	size_t left;
	int64_t look;			/* truncated: when, and how many rests after the look before */
	int rests;
	int wait;
};

/* What a command writes. */
enum { OUTPUT, ERRORS, COPIES, STREAMS };

struct sandbox_run {
	struct message_run message;
	uint64_t owner;
	struct stream streams[STREAMS];
	int input, wait_input;
	bool wants_room;		/* the owner was told -EAGAIN */
	bool has_result, ended, abandoned;
	bool told_output, told_room;	/* an event waits to be taken */
	struct message_result result;
};

struct outgoing {
	union message_small message;
	size_t len;
	int fds[MESSAGE_FDS_MAX];	/* ours, closed when sent … */
	size_t fds_len;
	unsigned held;			/* … but for these (1 << index), which their run holds */
};

struct inbox {
	union message message;
	int fd;
};

struct sandbox {
	int fd, wait_fd;
	bool lost, told_lost;
	unsigned runs_max, runs_len;
	struct sandbox_run **runs;	/* by number; NULL: free */
	uint32_t generation;
	struct outgoing *outbox;
	size_t outbox_first, outbox_len;
	struct inbox inbox[INBOX_MAX];
	size_t inbox_len;
	unsigned next;			/* where sandbox_next looks on */
	char scratch[FLOOD_SIZE];
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int
sandbox_open(struct sandbox **out, int fd, unsigned runs_max)
{
	struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
	if (!sandbox)
		return -ENOMEM;
	sandbox->runs = calloc(runs_max, sizeof(struct sandbox_run *));
	sandbox->outbox = calloc(OUTBOX_MAX, sizeof(*sandbox->outbox));
	if (!sandbox->runs || !sandbox->outbox) {
		free(sandbox->runs);
		free(sandbox->outbox);
		free(sandbox);
		return -ENOMEM;
	}
	sandbox->fd = fd;
	sandbox->runs_max = runs_max;
	*out = sandbox;
	return 0;
}

unsigned
sandbox_room(const struct sandbox *sandbox)
{
	return sandbox->lost ? 0 : sandbox->runs_max - sandbox->runs_len;
}

/* --- messages to the launcher ------------------------------------------------------------------ */

static struct outgoing *
outgoing_at(struct sandbox *sandbox, size_t i)
{
	return &sandbox->outbox[(sandbox->outbox_first + i) % OUTBOX_MAX];
}

static void
close_outgoing(struct outgoing *out)
{
	for (size_t i = 0; i < out->fds_len; i++)
		if (!(out->held & 1u << i))
			close(out->fds[i]);
	out->fds_len = 0;
}

static void
flush_outbox(struct sandbox *sandbox)
{
	while (sandbox->outbox_len) {
		struct outgoing *out = outgoing_at(sandbox, 0);
		int error = message_send(sandbox->fd, &out->message, out->len, out->fds, out->fds_len);
		if (error == -EAGAIN)
			return;
		if (error)
			sandbox->lost = true;
		close_outgoing(out);
		sandbox->outbox_first = (sandbox->outbox_first + 1) % OUTBOX_MAX;
		sandbox->outbox_len--;
	}
}

/* The descriptors are taken over, whatever comes of it, but for those that are held. */
static int
post(struct sandbox *sandbox, const void *message, size_t len, const int *fds, size_t fds_len, unsigned held)
{
	struct outgoing refused = { .fds_len = 0 };
	bool full = sandbox->outbox_len == OUTBOX_MAX || sandbox->lost || len > sizeof(union message_small);
	struct outgoing *out = full ? &refused : outgoing_at(sandbox, sandbox->outbox_len);

	memcpy(out->fds, fds, fds_len * sizeof(fds[0]));
	out->fds_len = fds_len;
	out->held = held;
	if (full) {
		close_outgoing(out);
		return sandbox->lost ? -EPIPE : -ENOSPC;
	}
	memcpy(&out->message, message, len);
	out->len = len;
	sandbox->outbox_len++;
	flush_outbox(sandbox);
	return 0;
}

int
sandbox_tell(struct sandbox *sandbox, const void *message, size_t len, int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0 && copy < 0)
		return -errno;
	return post(sandbox, message, len, &copy, copy >= 0, 0);
}

/* --- a run ---------------------------------------------------------------------------------------- */

/* Our end of a new pipe goes to *ours, non-blocking; the other end is returned, or -errno. */
static int
open_pipe(int *ours, bool we_read)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*ours = ends[we_read ? 0 : 1];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK)) {
		int error = -errno;
		close(ends[0]);
		close(ends[1]);
		*ours = -1;
		return error;
	}
	return ends[we_read ? 1 : 0];
}

static int
open_stream(struct stream *stream, enum sandbox_sink sink, int given, uint64_t most)
{
	stream->sink = sink;
	stream->most = most;
	stream->fd = stream->held = -1;
	stream->wait = WAIT_NONE;
	buf_init(&stream->kept, sink == SANDBOX_STREAM ? STREAM_MAX : (size_t)(most ? most : 1));
	if (sink == SANDBOX_GIVEN) {
		int copy = fcntl(given, F_DUPFD_CLOEXEC, 0);
		return copy < 0 ? -errno : copy;
	}
	return stream->held = open_pipe(&stream->fd, true);
}

/* Nobody wants what comes. The other end may have to be sent yet. */
static void
stop_stream(struct stream *stream)
{
	close_fd(&stream->fd);
	buf_free(&stream->kept);
}

static void
release(struct sandbox *sandbox, struct sandbox_run *run)
{
	sandbox->runs[run->message.run] = NULL;
	sandbox->runs_len--;
	for (int i = 0; i < STREAMS; i++) {
		stop_stream(&run->streams[i]);
		close_fd(&run->streams[i].held);
	}
	close_fd(&run->input);
	free(run);
}

/* Opens the run's streams: what goes to the launcher is put into fds. */
static int
open_streams(struct sandbox_run *run, const struct sandbox_spec *spec, int *fds, size_t *fds_len, unsigned *held)
{
	const uint64_t most = spec->limits.output_kb << 10;
	bool joined = spec->errors == SANDBOX_JOINED;

	*fds_len = 1;
	if (spec->input < 0 && (fds[1] = open_pipe(&run->input, false)) < 0)
		return fds[1];
	*fds_len = 2;
	for (int i = 0; i < (spec->copy_out ? STREAMS : COPIES); i++) {
		enum sandbox_sink sink = i == OUTPUT ? spec->output : i == COPIES ? SANDBOX_KEEP :
		    joined ? SANDBOX_GIVEN : spec->errors;
		int given = i == OUTPUT ? spec->output_fd : joined ? fds[2] : spec->errors_fd;
		int fd = open_stream(&run->streams[i], sink, given, i == COPIES ? spec->copy_out_max : most);
		if (fd < 0)
			return fd;
		*held |= (unsigned)(run->streams[i].held >= 0) << *fds_len;
		fds[(*fds_len)++] = fd;
	}
	return 0;
}

static void
fill_message(struct message_run *message, const struct sandbox_spec *spec, uint32_t number,
    uint32_t generation)
{
	message->type = MESSAGE_RUN;
	message->run = number;
	message->generation = generation;
	message->operation = spec->operation;
	message->network = spec->network;
	message->has_copy_out = spec->copy_out;
	if (spec->session)
		strncpy(message->session, spec->session, sizeof(message->session) - 1);
	message->limits = spec->limits;
}

int
sandbox_start(struct sandbox *sandbox, const struct sandbox_spec *spec, struct sandbox_run **out)
{
	int fds[MESSAGE_FDS_MAX] = { spec->parcel, spec->input, -1, -1, -1 }, error;
	size_t fds_len = spec->input < 0 ? 1 : 2;
	unsigned held = 0;
	uint32_t number = 0;

	while (number < sandbox->runs_max && sandbox->runs[number])
		number++;
	struct sandbox_run *run = number == sandbox->runs_max || sandbox->lost ? NULL : calloc(1, sizeof(*run));
	if (!run) {
		error = number == sandbox->runs_max ? -EAGAIN : sandbox->lost ? -EPIPE : -ENOMEM;
		goto err_fds;
	}
	for (int i = 0; i < STREAMS; i++)
		run->streams[i].fd = run->streams[i].held = -1;
	run->input = -1;
	run->wait_input = WAIT_NONE;
	run->owner = spec->owner;
	fill_message(&run->message, spec, number, ++sandbox->generation);
	sandbox->runs[number] = run;
	sandbox->runs_len++;
	if ((error = open_streams(run, spec, fds, &fds_len, &held)))
		goto err_run;
	error = post(sandbox, &run->message, sizeof(run->message), fds, fds_len, held);
	fds_len = 0;
	if (error)
		goto err_run;
	*out = run;
	return 0;
err_run:
	release(sandbox, run);
err_fds:
	while (fds_len--)
		if (!(held & 1u << fds_len))
			close(fds[fds_len]);
	return error;
}

void
sandbox_cancel(struct sandbox *sandbox, struct sandbox_run *run)
{
	if (run->has_result)
		return;
	struct message_run message = run->message;
	message.type = MESSAGE_CANCEL;
	(void)post(sandbox, &message, sizeof(message), &run->input, 0, 0);
}

void
sandbox_abandon(struct sandbox *sandbox, struct sandbox_run *run)
{
	run->abandoned = true;
	/* stdin stays open until the result has come: an end of it now would look like the end of an upload. */
	run->wants_room = false;
	if (run->has_result) {
		release(sandbox, run);
		return;
	}
	for (int i = 0; i < STREAMS; i++)
		stop_stream(&run->streams[i]);
	sandbox_cancel(sandbox, run);
}

void
sandbox_free(struct sandbox *sandbox, struct sandbox_run *run)
{
	release(sandbox, run);
}

const struct message_result *
sandbox_result(const struct sandbox_run *run)
{
	return &run->result;
}

struct buf *
sandbox_output(struct sandbox_run *run)
{
	return &run->streams[OUTPUT].kept;
}

struct buf *
sandbox_errors(struct sandbox_run *run)
{
	return &run->streams[ERRORS].kept;
}

struct buf *
sandbox_copies(struct sandbox_run *run)
{
	return &run->streams[COPIES].kept;
}

bool
sandbox_output_truncated(const struct sandbox_run *run)
{
	return run->streams[OUTPUT].truncated;
}

bool
sandbox_errors_truncated(const struct sandbox_run *run)
{
	return run->streams[ERRORS].truncated;
}

ssize_t
sandbox_feed(struct sandbox_run *run, struct str data)
{
	if (run->input < 0)
		return -EPIPE;
	ssize_t n;
	do
		n = write(run->input, data.data, data.len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN) {
		run->wants_room = true;
		return -EAGAIN;
	}
	int error = -errno;
	close_fd(&run->input);
	return error;
}

void
sandbox_feed_end(struct sandbox_run *run)
{
	close_fd(&run->input);
	run->wants_room = false;
}

/* --- the loop ----------------------------------------------------------------------------------- */

static bool
stream_is_full(const struct stream *stream)
{
	return stream->sink == SANDBOX_STREAM && stream->kept.len > STREAM_MAX - READ_SIZE;
}

void
sandbox_wait(struct sandbox *sandbox, struct wait *wait)
{
	sandbox->wait_fd = wait_add(wait, sandbox->fd,
	    (short)(POLLIN | (sandbox->outbox_len ? POLLOUT : 0)));
	for (unsigned i = 0; i < sandbox->runs_max; i++) {
		struct sandbox_run *run = sandbox->runs[i];
		if (!run)
			continue;
		for (int s = 0; s < STREAMS; s++) {
			struct stream *stream = &run->streams[s];
			bool reads = !stream->truncated && !stream_is_full(stream);
			stream->wait = reads ? wait_add(wait, stream->fd, POLLIN) : WAIT_NONE;
			if (stream->truncated)
				wait_until(wait, stream->look);
		}
		run->wait_input = run->wants_room ? wait_add(wait, run->input, POLLOUT) : WAIT_NONE;
	}
}

static void
keep(struct stream *stream, const char *data, size_t n)
{
	size_t room = (size_t)(stream->most - stream->kept.len);

	if (stream->sink == SANDBOX_STREAM)
		room = n;
	/* No memory: said, as a cap would be. */
	if (buf_append(&stream->kept, data, n < room ? n : room) || n > room) {
		stream->truncated = true;
		(void)fcntl(stream->fd, F_SETPIPE_SZ, FLOOD_SIZE);
	}
}

/* Of what is not kept nothing is read before the pipe is full, and then all of it at once. Who writes to a pipe holds its lock, and
 * may lose the processor with it, for long where its run gets little: whoever reads then waits too. One that waits for room
 * holds nothing. So a flood costs its run and not the others', and goes on at 500 MB a second. */
static void
drop_flood(struct sandbox *sandbox, struct stream *stream, int64_t now)
{
	struct pollfd held = { .fd = stream->held, .events = POLLOUT };

	if (!stream->truncated || now < stream->look)
		return;
	bool full = poll(&held, 1, 0) == 0;
	stream->rests = full ? 1 : (stream->rests << 1 | 1) % FLOOD_RESTS;
	stream->look = now + stream->rests * flood_rest_ns;
	if (full)
		(void)!read(stream->fd, sandbox->scratch, FLOOD_SIZE);
}

/* True when something came, or the end. */
static bool
read_stream(struct sandbox *sandbox, struct stream *stream)
{
	bool came = false;

	for (int i = 0; (i < READS_A_STEP || stream->ending) && stream->fd >= 0 && !stream_is_full(stream); i++) {
		size_t most = READ_SIZE;
		if (stream->ending && stream->left < most)
			most = stream->left;
		ssize_t n = read(stream->fd, sandbox->scratch, most);
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && !stream->ending)))
			break;
		came = true;
		if (n <= 0)
			close_fd(&stream->fd);
		else
			keep(stream, sandbox->scratch, (size_t)n);
		if (stream->ending)
			stream->left -= n > 0 ? (size_t)n : 0;
		else if (n > 0 && n < READ_SIZE / 2)
			break;
	}
	return came;
}

/* The run's processes are gone, so what is in the pipe is all. Its end need not come, though: another run of the same session
 * may have been handed the other end, and may write to it for ever. */
static void
begin_ending(struct stream *stream)
{
	int capacity = stream->fd >= 0 ? fcntl(stream->fd, F_GETPIPE_SZ) : 0;

	close_fd(&stream->held);
	stream->ending = true;
	stream->left = capacity > 0 ? (size_t)capacity : 0;
}

static void
take_result(struct sandbox *sandbox, const struct message_result *result)
{
	struct sandbox_run *run = result->run < sandbox->runs_max ? sandbox->runs[result->run] : NULL;

	if (!run || run->message.generation != result->generation)
		return;
	run->result = *result;
	run->has_result = true;
	for (int i = 0; i < STREAMS; i++)
		begin_ending(&run->streams[i]);
	close_fd(&run->input);
	run->wants_room = false;
	if (run->abandoned)
		release(sandbox, run);
}

static void
take_messages(struct sandbox *sandbox)
{
	union message message;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;

	while (sandbox->inbox_len < INBOX_MAX) {
		ssize_t n = message_receive(sandbox->fd, &message, sizeof(message), fds, &fds_len);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			sandbox->lost = true;
			return;
		}
		while (fds_len > 1)
			close(fds[--fds_len]);
		if (message.type == MESSAGE_RESULT) {
			if (fds_len)
				close(fds[0]);
			take_result(sandbox, &message.result);
			continue;
		}
		sandbox->inbox[sandbox->inbox_len++] =
		    (struct inbox){ .message = message, .fd = fds_len ? fds[0] : -1 };
	}
}

bool
sandbox_message(struct sandbox *sandbox, union message *message, int *fd)
{
	if (!sandbox->inbox_len)
		return false;
	*message = sandbox->inbox[0].message;
	*fd = sandbox->inbox[0].fd;
	memmove(sandbox->inbox, sandbox->inbox + 1, --sandbox->inbox_len * sizeof(sandbox->inbox[0]));
	return true;
}

static void
step_run(struct sandbox *sandbox, struct wait *wait, struct sandbox_run *run)
{
	run->ended = run->has_result;
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &run->streams[i];
		drop_flood(sandbox, stream, wait->now);
		if (wait_ready(wait, stream->wait) || run->has_result)
			run->told_output |= read_stream(sandbox, stream) && stream->sink == SANDBOX_STREAM;
		run->ended &= stream->fd < 0;
	}
	if (wait_ready(wait, run->wait_input)) {
		run->wants_room = false;
		run->told_room = true;
	}
}

void
sandbox_step(struct sandbox *sandbox, struct wait *wait)
{
	if (wait_ready(wait, sandbox->wait_fd)) {
		flush_outbox(sandbox);
		take_messages(sandbox);
	}
	for (unsigned i = 0; i < sandbox->runs_max; i++)
		if (sandbox->runs[i])
			step_run(sandbox, wait, sandbox->runs[i]);
	sandbox->next = 0;
}

bool
sandbox_next(struct sandbox *sandbox, struct sandbox_event *event)
{
	memset(event, 0, sizeof(*event));
	if (sandbox->inbox_len) {
		event->type = SANDBOX_MESSAGE;
		return true;
	}
	if (sandbox->lost && !sandbox->told_lost) {
		sandbox->told_lost = true;
		event->type = SANDBOX_LOST;
		return true;
	}
	for (; sandbox->next < sandbox->runs_max; sandbox->next++) {
		struct sandbox_run *run = sandbox->runs[sandbox->next];
		if (!run || run->abandoned)
			continue;
		event->run = run;
		event->owner = run->owner;
		if (run->told_output) {
			run->told_output = false;
			event->type = SANDBOX_OUTPUT;
			return true;
		}
		if (run->told_room) {
			run->told_room = false;
			event->type = SANDBOX_ROOM;
			return true;
		}
		if (run->ended) {
			run->ended = false;
			sandbox->next++;
			event->type = SANDBOX_ENDED;
			return true;
		}
	}
	return false;
}

void
sandbox_close(struct sandbox *sandbox)
{
	for (unsigned i = 0; i < sandbox->runs_max; i++)
		if (sandbox->runs[i])
			release(sandbox, sandbox->runs[i]);
	while (sandbox->outbox_len)
		close_outgoing(outgoing_at(sandbox, --sandbox->outbox_len));
	while (sandbox->inbox_len)
		close_fd(&sandbox->inbox[--sandbox->inbox_len].fd);
	close(sandbox->fd);
	free(sandbox->runs);
	free(sandbox->outbox);
	free(sandbox);
}
