/* session.h - the server's table of sessions: what each is, who uses it, when it ends
 *
 * A session's files are the launcher's business (store.c); here are its variables, working directory, limits and times. A
 * change is handed to the launcher as a record to be kept, and counts when the launcher has said so. Knows sandbox.h, no HTTP
 * and no JSON. */
#ifndef SESSION_H
#define SESSION_H

#include "environment.h"
#include "sandbox.h"

enum session_state {
	SESSION_NEW,		/* the launcher has been asked for it */
	SESSION_LIVE,
	SESSION_CLOSING,	/* nobody can name it any more; the launcher has been asked to end it */
	SESSION_GONE,		/* out of the table, kept for the requests that still use it */
};

struct session {
	char id[MESSAGE_ID_MAX];
	enum session_state state;
	uint32_t network;
	uint64_t ttl_s, disk_kb, disk_used_kb;
	struct limits limits;		/* defaults of its runs; 0: not given */
	struct variable *env;		/* owned, with the texts */
	size_t env_len;
	struct str cwd;			/* owned */
	int64_t created_ms, used_ms;	/* since 1970 */
	int64_t idle_since;		/* monotonic, ns: when the last request ended */
	unsigned busy;			/* requests in hand: it does not expire meanwhile */
	unsigned running;
	uint64_t hash;
	struct session *chain;		/* same bucket */
	uint64_t number;		/* above those of all older ones; from 1 on */
};

struct sessions;

/* node: first part of ids; NULL or empty: none. */
int sessions_open(struct sessions **sessions, struct sandbox *sandbox, size_t max, const char *node);
void sessions_close(struct sessions *sessions);
size_t sessions_len(const struct sessions *sessions);
size_t sessions_max(const struct sessions *sessions);
/* Oldest first; NULL at the end. Those that are not LIVE are among them. */
struct session *sessions_at(struct sessions *sessions, size_t index);
/* The oldest LIVE one whose number is above; NULL: none. For lists that are written while sessions come and go. */
struct session *sessions_after(struct sessions *sessions, uint64_t number);

struct session_wish {
	const struct variable *env;
	size_t env_len;
	struct str cwd;
	struct limits limits;
	uint32_t network;
	uint64_t ttl_s, disk_kb;
};

/* Asks the launcher for a new session; its answer is told by sessions_answer with *serial. -EMFILE: there are too many. */
int session_create(struct sessions *sessions, const struct session_wish *wish, struct wait *now,
    struct session **session, uint32_t *serial);
/* A LIVE one, or NULL. */
struct session *session_find(struct sessions *sessions, struct str id);
/* Merges variables (value.data NULL removes), or sets cwd, and has the record kept: answered with *serial. -E2BIG: more variables or
 * bytes than most allows. */
int session_set_env(struct sessions *sessions, struct session *session, const struct variable *env,
    size_t len, size_t most_variables, size_t most_bytes, uint32_t *serial);
int session_set_cwd(struct sessions *sessions, struct session *session, struct str cwd, uint32_t *serial);
/* Asks how much of its disk is used: answered with *serial, and disk_used_kb is then right. */
int session_measure(struct sessions *sessions, struct session *session, uint32_t *serial);
/* Ends it: it can no longer be named; answered with *serial (may be NULL: nobody waits). */
int session_end(struct sessions *sessions, struct session *session, uint32_t *serial);
/* A request begins and ends to use it. */
void session_enter(struct session *session);
void session_leave(struct sessions *sessions, struct session *session, const struct wait *now);
/* When it ends unless it is used: ns, monotonic; INT64_MAX while it is busy. */
int64_t session_expiry(const struct session *session);

/* The launcher's messages: an answer (returns its serial, and *error: 0 or errno), or a session found at start (returns 0). */
uint32_t sessions_answer(struct sessions *sessions, const struct message_session *message, int *error);
void sessions_found(struct sessions *sessions, const struct message_session *message, int record,
    const struct wait *now);
/* All that there were have been told: from now on the table is in the order of age. */
void sessions_found_all(struct sessions *sessions);

/* Ends what has been idle for its ttl. */
void sessions_wait(struct sessions *sessions, struct wait *wait);
void sessions_step(struct sessions *sessions, const struct wait *wait);

#endif
