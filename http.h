/* http.h - an HTTP/1.1 server (RFC 9110, 9112) on non-blocking sockets: requests out, replies in
 *
 * It knows no route and no JSON. There are no callbacks: http_wait() says what the server waits for, http_step()
 * reads and writes, and http_next() hands out what happened, one event at a time. A client is named by slot
 * and generation; every function takes a stale name, does nothing and says so. One request of a client is
 * handed out at a time: pipelined ones wait until the reply before them is complete. */
#ifndef HTTP_H
#define HTTP_H

#include <sys/socket.h>

#include "buf.h"
#include "wait.h"

struct http;

struct http_client {
	uint32_t slot, generation;
};

struct http_config {
	const int *listeners;		/* bound, listening, non-blocking; http owns them from http_open on */
	size_t listeners_len;
	size_t connections_max;		/* more: the connection that has been idle longest makes room */
	size_t head_max;		/* bytes of request line and header fields (431, 414); 0: 32 KiB */
	size_t body_max;		/* bytes of a body kept in memory (413); 0: 16 MiB */
	size_t bodies_max;		/* bytes of all bodies in memory at once (503); 0: 256 MiB */
	int64_t head_ns, body_ns, idle_ns, write_ns;	/* deadlines; 0: 10, 30, 60, 30 s. A head is due as a
							   whole; body and write are pauses without one byte */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };
/* HTTP_OTHER: a valid token that is a known method of others (PATCH, TRACE, CONNECT, …): the caller answers 405.
 * A method that is no registered one is answered with HTTP_BAD 501. */

struct http_field {
	struct str name, value;		/* value without the white space around it */
};

enum { HTTP_FIELDS_MAX = 100 };

/* A parsed head. It lives until the reply to it is complete or the client is gone. */
struct http_request {
	enum http_method method;
	struct str method_text;
	struct str path;		/* of the target, from its '/', before '?', not decoded */
	struct str query;		/* after '?', not decoded; empty when there is none */
	struct str host;		/* the Host field; always there and valid (RFC 3986 host[:port]) in HTTP/1.1 */
	bool has_body;			/* Content-Length above 0, or chunked */
	bool has_length;
	uint64_t length;		/* of the body, with has_length */
	size_t fields_len;
	struct http_field fields[HTTP_FIELDS_MAX];
	struct sockaddr_storage peer;	/* of the connection; ss_family AF_UNIX has no address, but peer_uid */
	uint32_t peer_uid;		/* who connected a unix socket; UINT32_MAX: not known */
	int listener;			/* index into http_config.listeners */
};

enum http_event_type {
	HTTP_NONE,
	HTTP_REQUEST,	/* a head has come. Answer it by http_body_keep, http_body_stream or a reply at once (a body
			   that nobody asked for is skipped up to 64 KiB, else the connection closes after the reply) */
	HTTP_BODY,	/* http_body_keep: the body is whole: http_body() gives it */
	HTTP_CHUNK,	/* http_body_stream: there are bytes (http_body), or the body has ended (http_body_ended) */
	HTTP_ROOM,	/* http_reply_begin: http_reply_room() bytes can be written */
	HTTP_BAD,	/* what came cannot be taken: reply with `status`, the connection closes by itself afterwards.
			   http_request() may be NULL. After HTTP_REQUEST it can still come: 408, 413, 400 for a bad chunk */
	HTTP_DONE,	/* the reply is sent as a whole: for the log. The name is stale when this event has been read */
	HTTP_GONE,	/* the client went away, or was too slow to read, before its reply was sent: whatever is done for it
			   can stop. The name is stale when this event has been read */
};

struct http_event {
	enum http_event_type type;
	struct http_client client;
	int status;		/* HTTP_BAD */
	const char *reason;	/* HTTP_BAD: for people, lowercase, static */
	uint64_t sent;		/* HTTP_DONE, HTTP_GONE: bytes of reply body sent */
	int64_t began;		/* HTTP_DONE, HTTP_GONE: when the first byte of the head came, ns */
};

/* Memory for connections_max slots is small (a pointer's worth each); buffers are made when bytes come and given
 * back when idle. -errno on failure. */
int http_open(struct http **http, const struct http_config *config);
/* Stops listening; connections that are idle are closed, others after their reply (Connection: close). */
void http_drain(struct http *http);
/* Connections that have a request in hand or a reply unsent. */
size_t http_busy(const struct http *http);
size_t http_connections(const struct http *http);
void http_close(struct http *http);

/* Adds listeners and connections to the set, and the nearest deadline. Cost is linear in those where
 * something has happened of late. */
void http_wait(struct http *http, struct wait *wait);
void http_step(struct http *http, struct wait *wait);
/* The next thing that happened: false when there is nothing more in this round. */
bool http_next(struct http *http, struct http_event *event);

/* NULL for a stale name. */
const struct http_request *http_request(struct http *http, struct http_client client);
/* A field's value, ASCII case ignored; data NULL where it is missing. `count`, where not NULL, gets how often it came. */
struct str http_field(const struct http_request *request, const char *name, size_t *count);

/* Keep the whole body in memory (at most body_max): HTTP_BODY follows, also for an empty one. Sends 100 Continue where
 * the client waits for it. -ESTALE for a stale name. */
int http_body_keep(struct http *http, struct http_client client);
/* Hand out the body as it comes, in chunks of at most 64 KiB; the socket is not read while bytes are unconsumed. */
int http_body_stream(struct http *http, struct http_client client);
struct str http_body(struct http *http, struct http_client client);
bool http_body_ended(struct http *http, struct http_client client);
/* Streaming: n bytes of http_body() are done with. */
void http_body_consume(struct http *http, struct http_client client, size_t n);
/* Kept: gives the memory of the body back before the reply. */
void http_body_drop(struct http *http, struct http_client client);

/* A whole reply. Date, Content-Length, Connection are written here; `fields` are further lines, each ended by CRLF
 * (NULL: none; the caller answers for their syntax), `type` the Content-Type (NULL: no body type). A 204 or a reply to HEAD sends no body (HEAD
 * keeps its length). body: taken over when the call returns 0, and then empty; NULL: no body. Head and body
 * leave by one writev where the socket takes them. */
int http_reply(struct http *http, struct http_client client, int status, const char *type,
    const char *fields, struct buf *body);
/* A reply whose body follows by http_reply_write: with its length known, or chunked (length < 0; to an HTTP/1.0 client:
 * until close). HTTP_ROOM comes when there is room. */
int http_reply_begin(struct http *http, struct http_client client, int status, const char *type,
    const char *fields, int64_t length);
size_t http_reply_room(struct http *http, struct http_client client);
/* At most http_reply_room() bytes are taken: the number, or -ESTALE. Bytes beyond a known length: -EMSGSIZE. */
int64_t http_reply_write(struct http *http, struct http_client client, struct str data);
/* The body is complete. Short of a known length, the connection is cut so that the client can tell. */
int http_reply_end(struct http *http, struct http_client client);
/* Cuts a streamed reply that cannot be completed: the client sees a broken body, never a short one that looks whole. */
void http_cut(struct http *http, struct http_client client);

/* The field's own name of a status: "Not Found". */
const char *http_status_text(int status);
const char *http_method_name(enum http_method method);
/* Decodes %XX of a path or query part (no '+'). -EINVAL for a bad escape; NUL and '/' that come of escapes are the caller's to refuse. */
int http_decode(struct buf *out, struct str text);

#endif
