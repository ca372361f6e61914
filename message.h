/* message.h - what the processes say to each other: fixed structs over SOCK_SEQPACKET, plain data, no pointers
 *
 * Between front (the server, or the command line) and launcher: enum message_type. The launcher believes nothing in
 * them. Between launcher and pid 1 of a sandbox: struct jail_order and struct jail_report. What a client's bytes make
 * (argv, environment, files) is in a parcel (parcel.h), a pipe or a sealed memfd that passes the launcher unopened. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "limit.h"

enum {
	MESSAGE_FDS_MAX = 5,		/* parcel, stdin, stdout, stderr, copy_out */
	MESSAGE_ID_MAX = 64,		/* a session's id with its NUL */
	MESSAGE_META_MAX = 4 << 20,	/* bytes of a session's record */
	MESSAGE_PARCEL_MAX = 64 << 20,	/* bytes of a parcel */
};

/* What is done in the sandbox: a program is started, or one of the file operations (files.h) is done as its user. */
enum operation {
	OPERATION_COMMAND, OPERATION_PUT, OPERATION_GET, OPERATION_STAT, OPERATION_DELETE, OPERATION_CHECK_CWD,
	OPERATIONS_LEN
};

enum network { NETWORK_NONE, NETWORK_HOST, NETWORKS_LEN };

enum verdict {
	VERDICT_EXITED, VERDICT_SIGNALED, VERDICT_TIME_LIMIT, VERDICT_WALL_TIME_LIMIT, VERDICT_MEMORY_LIMIT,
	VERDICT_HOST_MEMORY_LIMIT, VERDICT_EXEC_FAILED, VERDICT_CANCELED,
	VERDICT_INTERNAL,	/* the sandbox could not be made: `step` and `error` say where */
	VERDICTS_LEN
};

/* Front to launcher, and what answers each. `fds` is how many descriptors come with it. */
enum message_type {
	MESSAGE_RUN = 1,	/* + parcel, stdin, stdout, stderr [, copy_out] → RESULT, always exactly one */
	MESSAGE_CANCEL,		/* a run → its RESULT, canceled unless it was over */
	MESSAGE_SESSION_OPEN,	/* + record → SESSION_DONE */
	MESSAGE_SESSION_SAVE,	/* + record → SESSION_DONE when it is kept */
	MESSAGE_SESSION_CLOSE,	/* its runs are canceled, its files go → SESSION_DONE */
	MESSAGE_SESSION_USAGE,	/* → SESSION_DONE with used_kb */
	MESSAGE_GOODBYE,	/* the front is ending in good order; session_keep says what becomes of sessions */
	/* Launcher to front */
	MESSAGE_RESULT = 64,
	MESSAGE_SESSION_DONE,
	MESSAGE_SESSION_FOUND,	/* + record: a session of an earlier server, at start, before MESSAGE_READY */
	MESSAGE_READY,		/* at start: all is set up */
	MESSAGE_TOKENS,		/* digests of tokens: at start, and on SIGHUP; replaces all */
	MESSAGE_DRAIN,		/* finish in good order; twice: at once */
};

struct message_run {
	uint32_t type;		/* MESSAGE_RUN, MESSAGE_CANCEL */
	uint32_t run;		/* the front's name of it: below --max-runs, not in use */
	uint32_t generation;	/* told again in the result */
	uint32_t operation;
	uint32_t network;
	uint32_t has_copy_out;
	char session[MESSAGE_ID_MAX];	/* empty: a sandbox of its own */
	struct limits limits;
};

struct usage {
	uint64_t cpu_ns, user_ns, system_ns, wall_ns, mem_kb;
};

struct message_result {
	uint32_t type;		/* MESSAGE_RESULT */
	uint32_t run, generation;
	uint32_t verdict;
	int32_t exit_code;	/* -1: none */
	int32_t signal;		/* 0: none */
	int32_t error;		/* errno: INTERNAL, EXEC_FAILED, or what a file operation says */
	uint32_t by_group;	/* accounting: 1 cgroup, 0 rlimit */
	char step[48];		/* INTERNAL: what was being done: "mount proc" */
	uint64_t disk_used_kb;	/* of the session that it ran in */
	struct usage usage;
};

struct message_session {
	uint32_t type;
	uint32_t serial;	/* told again in the answer */
	int32_t error;		/* answer: 0 or errno */
	uint32_t network;
	uint64_t disk_kb;	/* OPEN, FOUND */
	uint64_t used_kb;	/* USAGE's answer */
	char id[MESSAGE_ID_MAX];
};

enum { TOKENS_MAX = 64, DIGEST_LEN = 32 };

struct message_tokens {
	uint32_t type;
	uint32_t required;	/* 1: a request without one of them is refused */
	uint32_t len;
	uint8_t digests[TOKENS_MAX][DIGEST_LEN];
};

struct message_plain {
	uint32_t type;
	uint32_t session_keep;	/* GOODBYE */
	uint32_t signal;	/* DRAIN: what asked for it */
};

union message {
	uint32_t type;
	struct message_run run;
	struct message_result result;
	struct message_session session;
	struct message_tokens tokens;
	struct message_plain plain;
};

/* The same without the tokens, which are large: for what is kept to be sent. */
union message_small {
	uint32_t type;
	struct message_run run;
	struct message_result result;
	struct message_session session;
	struct message_plain plain;
};

/* Sends one message with descriptors (which stay the caller's). 0 or -errno; -EAGAIN: the peer is behind, or
 * there is no memory for it at this moment. */
int message_send(int fd, const void *message, size_t len, const int *fds, size_t fds_len);
/* Receives one: its length, 0 at the end of the stream, or -errno. Descriptors are CLOEXEC and the caller's; fds_len gets
 * how many came (at most MESSAGE_FDS_MAX; a message with more is -EPROTO, and nothing stays open). */
ssize_t message_receive(int fd, void *message, size_t size, int *fds, size_t *fds_len);
/* A connected pair: SOCK_SEQPACKET, CLOEXEC, non-blocking. */
int message_pair(int fds[2]);

#endif
