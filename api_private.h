/* api_private.h - what the files of the API share: a job is one request in hand */
#ifndef API_PRIVATE_H
#define API_PRIVATE_H

#include "api.h"

struct job;

struct route {
	enum http_method method;
	const char *pattern;		/* segments; ':' is a session's id, '*' the rest */
	bool has_body;			/* a JSON body is read before `begin` is called */
	bool open;			/* /health: asks for no token, host or origin */
	void (*begin)(struct api *, struct job *, const struct json_value *body);
};

struct job {
	struct http_client client;
	const struct route *route;
	struct session *session;	/* entered; NULL */
	struct str path;		/* of a file; owned */
	struct run_request run;
	struct session_request create;
	struct sandbox_run *handle;
	char command[256];		/* argv[0], cut to fit: for a message */
	char fields[512];		/* of its reply's head */
	uint32_t serial;		/* of the launcher's answer that is waited for; 0 */
	void (*answered)(struct api *, struct job *, int error);
	void (*ended)(struct api *, struct job *);	/* its run has ended */
	void (*moved)(struct api *, struct job *);	/* its streams have moved, or its client's */
	struct sandbox_spec spec;	/* while it waits in the queue */
	bool has_spec, streams_body, head_seen, replied, body_over, cut;
	uint64_t offset, length, size;	/* of a file's range: GET */
	char mark[33];			/* PUT: what ends a body of unknown length; its unsent rest is at mark_at */
	size_t mark_at;
	bool has_range, has_suffix;
	bool keep_handle;		/* the run has ended, its output has not been taken yet */
	uint32_t kind;			/* of a file: enum files_kind */
	uint64_t entries;		/* of a listing, written so far */
	struct buf text;		/* of a list of sessions, not yet written */
	uint64_t listed;		/* the number of the last session in it */
	struct str cwd;			/* to be set when it has been checked; owned */
	struct job *queue_next;
	bool queued, running;		/* running: counted as a run of its asker */
	int64_t began, queued_at, started;
	uint64_t held;			/* bytes of memory that are counted for it: see api_hold */
	uint64_t asker, turn;		/* who asks: its token, or its address; when it is its turn in the queue */
	int64_t replied_at;
	/* For the log. */
	char request_id[65];
	int status;
	uint64_t sent;
	bool has_result;
	struct message_result result;
};

struct api {
	struct api_config config;
	struct message_tokens tokens;
	struct job **jobs;		/* by client slot */
	size_t jobs_len, busy;
	struct job *queue, **queue_end;
	size_t queue_len;
	uint64_t turn;			/* of the job that left the queue last */
	unsigned operations;		/* file operations that are going on */
	uint64_t held;
	bool draining;
	int64_t now;
	struct wait *wait;
};

enum {
	QUEUE_MAX = 1024,
	RETRY_AFTER_S = 1,
};

/* api.c: replies. Each ends the job's work; the job itself goes when the reply is sent. */
void api_reply_error(struct api *api, struct job *job, const struct request_error *error);
void api_fail(struct api *api, struct job *job, enum fault fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* JSON, or nothing (NULL); takes the buffer over. */
void api_reply(struct api *api, struct job *job, int status, struct buf *body);
/* Of a reply that is written as it comes: false where it cannot begin. length < 0: not known. */
bool api_begin_reply(struct api *api, struct job *job, int status, const char *type, int64_t length);
/* Adds a field, with its CR LF, to the head of the reply that will be. */
void api_field(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands job->spec to the launcher now, or when there is room; job->ended follows. */
void api_start(struct api *api, struct job *job);
/* Counts bytes for a job until it is over, in place of those counted before; false (and counted all the same) when all jobs
 * together hold more than they may. */
bool api_hold(struct api *api, struct job *job, uint64_t bytes);
/* A descriptor of /dev/null, for an empty stdin: the caller's; or -1, and that is replied. */
int api_null(struct api *api, struct job *job);
/* The rules for a run in a session, or for one without. */
struct request_rules api_rules(const struct api *api, const struct session *session);

/* api_session.c: the routes of sessions. */
void api_sessions_list(struct api *api, struct job *job, const struct json_value *body);
void api_session_create(struct api *api, struct job *job, const struct json_value *body);
void api_session_show(struct api *api, struct job *job, const struct json_value *body);
void api_session_end(struct api *api, struct job *job, const struct json_value *body);
void api_session_env(struct api *api, struct job *job, const struct json_value *body);
void api_session_cwd(struct api *api, struct job *job, const struct json_value *body);

/* api_file.c: the routes of a session's files. */
/* Begins a file operation; takes the parcel over. One that could not be made (< 0) is replied. */
void api_operate(struct api *api, struct job *job, uint32_t operation, int parcel,
    void (*ended)(struct api *, struct job *));
void api_file_put(struct api *api, struct job *job, const struct json_value *body);
void api_file_get(struct api *api, struct job *job, const struct json_value *body);
void api_file_head(struct api *api, struct job *job, const struct json_value *body);
void api_file_delete(struct api *api, struct job *job, const struct json_value *body);

/* api_run.c: POST /run, in a session or not. */
void api_run(struct api *api, struct job *job, const struct json_value *body);

/* Whether a file operation's run ended well; else the error is replied. `what` is the path, for the message. */
bool api_operation_ok(struct api *api, struct job *job, const char *what);

#endif
