/* sandbox.h - runs, seen from the front: handed to the launcher, fed, drained, and collected
 *
 * Theory of operation. A run goes over to the launcher as one message with five descriptors at most: a parcel (argv, environment,
 * files), the three streams, and a pipe for copy_out. From then on this side only moves bytes: what the command writes is read to the end
 * and kept up to a cap, so that a program is never disturbed by what nobody keeps. A run is over when the launcher's result has come
 * and every pipe is at its end; as the result comes after the last process has gone, the end is near by then.
 *
 * Knows no HTTP and no JSON. There are no callbacks: sandbox_wait, sandbox_step, sandbox_next. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "buf.h"
#include "message.h"
#include "wait.h"

struct sandbox;			/* the connection to the launcher, and its runs */
struct sandbox_run;

/* What becomes of a stream that the command writes. */
enum sandbox_sink {
	SANDBOX_KEEP,		/* kept in memory, up to the cap; more is read and dropped */
	SANDBOX_STREAM,		/* handed out as it comes; not read while the owner has not taken it */
	SANDBOX_GIVEN,		/* a descriptor of the caller's: not looked at here */
	SANDBOX_JOINED,		/* errors: into the output's pipe */
};

struct sandbox_spec {
	uint32_t operation, network;
	const char *session;		/* NULL: a sandbox of its own */
	struct limits limits;		/* resolved */
	int parcel;			/* taken over */
	int input;			/* stdin, taken over; -1: a pipe that the owner feeds by sandbox_feed */
	enum sandbox_sink output, errors;
	int output_fd, errors_fd;	/* SANDBOX_GIVEN: stay the caller's until the run has started */
	bool copy_out;
	uint64_t copy_out_max;		/* bytes, of all that copy_out sends */
	uint64_t owner;			/* for the owner: told again in events */
};

enum sandbox_event_type {
	SANDBOX_ENDED,		/* result and streams are whole: take them, then sandbox_free */
	SANDBOX_OUTPUT,		/* a stream has bytes for its owner */
	SANDBOX_ROOM,		/* stdin takes bytes */
	SANDBOX_MESSAGE,	/* the launcher said something else: sandbox_message */
	SANDBOX_LOST,		/* the launcher is gone: every run is, too */
};

struct sandbox_event {
	enum sandbox_event_type type;
	struct sandbox_run *run;
	uint64_t owner;
};

/* fd: the front's end of the pair with the launcher; taken over. At most runs_max runs at once. */
int sandbox_open(struct sandbox **sandbox, int fd, unsigned runs_max);
void sandbox_close(struct sandbox *sandbox);
/* Runs that can be started now. */
unsigned sandbox_room(const struct sandbox *sandbox);

/* Hands a run over. 0, or -EAGAIN (no room), or -errno; the spec's descriptors are gone in any case. */
int sandbox_start(struct sandbox *sandbox, const struct sandbox_spec *spec, struct sandbox_run **run);
/* Its verdict becomes `canceled` unless it is over; it still ends by an event. */
void sandbox_cancel(struct sandbox *sandbox, struct sandbox_run *run);
/* Nobody wants the run any more: it is canceled, drained, and freed by itself; no event comes of it. */
void sandbox_abandon(struct sandbox *sandbox, struct sandbox_run *run);
void sandbox_free(struct sandbox *sandbox, struct sandbox_run *run);

const struct message_result *sandbox_result(const struct sandbox_run *run);
/* What was kept (SANDBOX_KEEP), or has come (SANDBOX_STREAM); the caller may take the memory over. */
struct buf *sandbox_output(struct sandbox_run *run);
struct buf *sandbox_errors(struct sandbox_run *run);
struct buf *sandbox_copies(struct sandbox_run *run);
bool sandbox_output_truncated(const struct sandbox_run *run);
bool sandbox_errors_truncated(const struct sandbox_run *run);
/* Writes to stdin: how many bytes were taken, -EAGAIN when none can be (SANDBOX_ROOM follows), -EPIPE when nobody reads. */
ssize_t sandbox_feed(struct sandbox_run *run, struct str data);
/* No more comes on stdin. */
void sandbox_feed_end(struct sandbox_run *run);

/* Sends a message of another kind, with a descriptor (-1: none; stays the caller's). Kept until the launcher takes it; -ENOSPC when too
 * much is kept. */
int sandbox_tell(struct sandbox *sandbox, const void *message, size_t len, int fd);
/* SANDBOX_MESSAGE: the message, and its descriptor (-1: none), which is the caller's. */
bool sandbox_message(struct sandbox *sandbox, union message *message, int *fd);

void sandbox_wait(struct sandbox *sandbox, struct wait *wait);
void sandbox_step(struct sandbox *sandbox, struct wait *wait);
bool sandbox_next(struct sandbox *sandbox, struct sandbox_event *event);

#endif
