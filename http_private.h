/* http_private.h - what the files of the HTTP room share: connections and their exchanges
 *
 * http.c has the theory. Whatever kills or ends may free the connection: unless it holds a name, it
 * must not be touched afterwards. */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

#include <netinet/in.h>

#include "http_parse.h"
#include "time_text.h"

enum {
	SCRATCH_SIZE = 16384,
	PIECE_MAX = 65536,		/* of a streamed body or reply, kept */
	SKIP_MAX = 65536,		/* of a body that nobody asked for */
	LINGER_MAX = 1 << 20,		/* bytes drained */
	OUT_MAX = PIECE_MAX + 131072,	/* the same and a head */
};

#define SECONDS(n) ((int64_t)(n) * 1000000000)
#define NEVER INT64_MAX

enum input {
	INPUT_HEAD,
	INPUT_ASK,	/* there is a body, and the caller has not said what it wants of it */
	INPUT_KEEP,
	INPUT_STREAM,
	INPUT_SKIP,
	INPUT_DONE,
	INPUT_STOP,	/* nothing more is read: the connection closes after the reply */
};

enum output { OUTPUT_NONE, OUTPUT_BEGUN, OUTPUT_ENDED };

enum place { PLACE_IDLE, PLACE_HEAD, PLACE_BUSY, PLACE_LINGER, PLACES, PLACE_NOWHERE = PLACES };

/* Events that wait to be read, in the order in which they are handed out. */
enum {
	EVENT_REQUEST = 1 << 0,
	EVENT_BODY = 1 << 1,
	EVENT_CHUNK = 1 << 2,
	EVENT_ROOM = 1 << 3,
	EVENT_BAD = 1 << 4,
	EVENT_DONE = 1 << 5,
	EVENT_GONE = 1 << 6,
};

/* A list is a ring through its head, which has no connection of its own. */
struct link {
	struct link *prev, *next;
	struct connection *connection;
};

union peer {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct exchange {
	struct http_head head;
	struct buf text;		/* what head.request points into */
	int64_t began;

	enum input input;
	uint64_t left;			/* of a body with a length */
	struct http_chunks chunks;
	struct buf body;
	size_t body_at;			/* consumed */
	size_t skipped;
	bool kept;			/* the body counts in http->bodies */
	bool delivered;			/* the caller knows of the request */
	bool continued;			/* 100 Continue is sent, or need not be */
	bool keep_alive;
	int status;			/* EVENT_BAD */
	const char *reason;

	enum output output;
	struct buf out;			/* heads and pieces */
	size_t out_at;			/* sent */
	struct buf reply;		/* a whole reply's body: sent after `out` */
	size_t reply_at;
	bool no_body, chunked, sized;
	bool wrote;			/* since the last EVENT_ROOM */
	uint64_t reply_left;		/* of a sized one */
	uint64_t written;		/* bytes of body that the caller gave */
};

struct connection {
	struct link place_link, event_link, set_link;
	int fd;
	int index;			/* in the poll set of this round */
	short ready;			/* what the epoll said */
	bool quiet;			/* not in the poll set, but in the epoll */
	int64_t moved;			/* something happened */
	uint32_t slot, generation;	/* 0: has no name */
	enum place place;
	unsigned events;
	int listener;
	union peer peer;
	uint32_t peer_uid;
	int64_t read_due, write_due;
	size_t drained;			/* while lingering */
	struct buf in;			/* read, and not yet looked at */
	struct exchange *exchange;
};

struct http {
	struct http_config config;
	int *listeners, *listener_indexes;
	size_t listeners_len;
	struct connection **slots;
	uint32_t *free_slots;
	size_t count, busy, bodies;
	uint32_t generation;
	struct link places[PLACES], events;
	struct link polled, quiet;	/* all whose socket is open are in one of these */
	int epoll, epoll_index;
	int64_t quiet_due;		/* none of the quiet ones is due before */
	int64_t now, accept_after;
	bool draining;
	int64_t date_second;
	char date[TIME_TEXT_SIZE];
	char scratch[SCRATCH_SIZE];
};

static inline void link_init(struct link *link, struct connection *connection)
{
	*link = (struct link){ link, link, connection };
}

static inline void link_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

static inline void link_append(struct link *list, struct link *link)
{
	link_remove(link);
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

static inline bool link_empty(const struct link *list)
{
	return list->next == list;
}

/* http_connection.c: lives of exchanges and connections */
void connection_move(struct http *http, struct connection *c, enum place place);
void connection_event(struct http *http, struct connection *c, unsigned event);
void connection_event_clear(struct connection *c, unsigned events);
int exchange_begin(struct http *http, struct connection *c);
void exchange_free(struct http *http, struct connection *c);
void exchange_body_free(struct http *http, struct exchange *x);
/* A connection has a name while the caller can know of its request. */
void connection_name_give(struct http *http, struct connection *c);
void connection_name_take(struct http *http, struct connection *c);
struct connection *connection_open(struct http *http, int fd, int listener,
    const union peer *peer);
void connection_free(struct http *http, struct connection *c);
void connection_kill(struct http *http, struct connection *c);
/* Nothing more is sent: what still comes is drained for a moment. */
void connection_linger(struct http *http, struct connection *c);
/* NULL for a stale name. */
struct connection *connection_find(struct http *http, struct http_client client);
struct connection *connection_find_alive(struct http *http, struct http_client client);

/* http_quiet.c: those where nothing happens, out of the poll set */
void quiet_open(struct http *http);
void quiet_close(struct http *http);
/* A connection that would wait for these events: true when it is watched by the epoll now. */
bool quiet_take(struct http *http, struct connection *c, short events);
/* Something happened, or will: it belongs to the poll set. */
void quiet_leave(struct http *http, struct connection *c);
void quiet_wait(struct http *http, struct wait *wait);
/* Brings back those that are ready or due. */
void quiet_step(struct http *http, const struct wait *wait);

/* http_input.c: what comes */
bool input_wanted(const struct connection *c);
void input_read(struct http *http, struct connection *c);
void input_take(struct http *http, struct connection *c);
/* The reply is there: what becomes of a body that has not been read. */
void input_settle(struct http *http, struct connection *c);
void input_timed_out(struct http *http, struct connection *c);
void exchange_end(struct http *http, struct connection *c);

/* http_output.c: what goes */
size_t output_pending(const struct exchange *x);
bool output_room_due(const struct connection *c);
void output_flush(struct http *http, struct connection *c);

#endif
