/* http.c - connections: bytes in, requests out; replies in, bytes out
 *
 * A connection is a socket and little else while it is idle. The first byte of a request makes an
 * exchange, which owns all that the request and its reply need, and which is given back when both
 * are over. So ten thousand idle connections cost a small struct each, and what one client can make
 * the server keep is bounded: a head, a body (or a piece of one), one piece of reply, and a few
 * kilobytes read ahead.
 *
 * An exchange has two sides that move on their own: `input` says what becomes of the bytes that
 * come, `output` how far the reply is. Every connection is in one of four places, lists in the
 * order of entering them, so that the one which has been there longest is the first: idle, reading
 * a head, busy with a request, lingering. A lingering connection has been told that nothing more
 * comes and is drained for a moment, as a close with unread input makes the kernel reset it, and
 * the last reply would be lost with what the client has not yet read.
 *
 * A client that has ended its sending side while its request runs is taken as gone, as no server
 * can tell it from one that has left; once a reply has begun, only a failing or too slow write
 * tells.
 *
 * This room knows no route and starts nothing. It touches sockets, and memory of its own; syntax is
 * http_parse.c's. */
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http_parse.h"
#include "time_text.h"

enum {
	HEAD_READ = 4096,		/* at once, while a head comes: bounds reading ahead */
	SCRATCH_SIZE = 16384,
	BODY_READ = 262144,		/* of a kept body, at once */
	PIECE_MAX = 65536,		/* of a streamed body or reply, kept */
	PIECE_OVERHEAD = 32,		/* the framing of a chunk, and that of the last one */
	OUT_MAX = PIECE_MAX + 131072,	/* the same and a head */
	SKIP_MAX = 65536,		/* of a body that nobody asked for */
	LINGER_MAX = 1 << 20,
	ACCEPTS_MAX = 64,		/* for each listener and round */
};

#define SECONDS(n) ((int64_t)(n) * 1000000000)
#define NEVER INT64_MAX

static const int64_t linger_ns = SECONDS(2), accept_pause_ns = SECONDS(1) / 10;

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

static const struct {
	unsigned bit;
	enum http_event_type type;
} event_types[] = {
	{ EVENT_REQUEST, HTTP_REQUEST }, { EVENT_BODY, HTTP_BODY }, { EVENT_CHUNK, HTTP_CHUNK },
	{ EVENT_ROOM, HTTP_ROOM }, { EVENT_BAD, HTTP_BAD }, { EVENT_DONE, HTTP_DONE },
	{ EVENT_GONE, HTTP_GONE },
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
	struct link place_link, event_link;
	int fd;
	int index;			/* in the poll set of this round */
	uint32_t slot, generation;	/* 0: has no name */
	enum place place;
	unsigned events;
	int listener;
	union peer peer;
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
	int64_t now, accept_after;
	bool draining;
	int64_t date_second;
	char date[TIME_TEXT_SIZE];
	char scratch[SCRATCH_SIZE];
};

/* Lists */

static void link_init(struct link *link, struct connection *connection)
{
	*link = (struct link){ link, link, connection };
}

static void link_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

static void link_append(struct link *list, struct link *link)
{
	link_remove(link);
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

static bool link_empty(const struct link *list)
{
	return list->next == list;
}

static void move(struct http *http, struct connection *c, enum place place)
{
	link_remove(&c->place_link);
	c->place = place;
	if (place != PLACE_NOWHERE)
		link_append(&http->places[place], &c->place_link);
}

static void event_set(struct http *http, struct connection *c, unsigned event)
{
	if (!c->events)
		link_append(&http->events, &c->event_link);
	c->events |= event;
}

static void event_clear(struct connection *c, unsigned events)
{
	c->events &= ~events;
	if (!c->events)
		link_remove(&c->event_link);
}

/* Lives of exchanges and connections */

static void body_free(struct http *http, struct exchange *x)
{
	if (x->kept)
		http->bodies -= x->body.size;
	buf_free(&x->body);
	x->body_at = 0;
}

static void exchange_free(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (!x)
		return;
	body_free(http, x);
	buf_free(&x->text);
	buf_free(&x->out);
	buf_free(&x->reply);
	free(x);
	c->exchange = NULL;
	c->read_due = c->write_due = NEVER;
}

static int exchange_begin(struct http *http, struct connection *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	buf_init(&x->text, 0);
	buf_init(&x->body, 0);
	buf_init(&x->out, OUT_MAX);
	buf_init(&x->reply, 0);
	x->began = http->now;
	c->exchange = x;
	c->read_due = http->now + http->config.head_ns;
	move(http, c, PLACE_HEAD);
	return 0;
}

static void name_give(struct http *http, struct connection *c)
{
	if (++http->generation == 0)
		http->generation = 1;
	c->generation = http->generation;
	http->busy++;
	move(http, c, PLACE_BUSY);
}

static void name_take(struct http *http, struct connection *c)
{
	if (c->generation)
		http->busy--;
	c->generation = 0;
}

static void connection_free(struct http *http, struct connection *c)
{
	event_clear(c, ~0u);
	move(http, c, PLACE_NOWHERE);
	name_take(http, c);
	exchange_free(http, c);
	buf_free(&c->in);
	if (c->fd >= 0)
		close(c->fd);
	http->slots[c->slot] = NULL;
	http->count--;
	http->free_slots[http->config.connections_max - http->count - 1] = c->slot;
	free(c);
}

/* The connection is over now. Where the caller knows of a request, it stays until EVENT_GONE is
 * read, without a socket. The caller of this function must not touch it any more, unless it holds a
 * name. */
static void connection_kill(struct http *http, struct connection *c)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (!c->generation || !c->exchange->delivered) {
		connection_free(http, c);
		return;
	}
	/* A reset cannot be taken for the end of a reply, and frees what the kernel still holds for
	 * it. */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->fd = -1;
	c->index = WAIT_NONE;
	move(http, c, PLACE_NOWHERE);
	body_free(http, c->exchange);
	buf_free(&c->in);
	event_clear(c, ~0u);
	event_set(http, c, EVENT_GONE);
}

static void linger(struct http *http, struct connection *c)
{
	exchange_free(http, c);
	buf_free(&c->in);
	if (shutdown(c->fd, SHUT_WR)) {
		connection_free(http, c);
		return;
	}
	c->read_due = http->now + linger_ns;
	c->drained = 0;
	move(http, c, PLACE_LINGER);
}

static struct connection *connection_open(struct http *http, int fd, int listener,
    const union peer *peer)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	link_init(&c->place_link, c);
	link_init(&c->event_link, c);
	c->fd = fd;
	c->index = WAIT_NONE;
	c->listener = listener;
	c->peer = *peer;
	c->read_due = http->now + http->config.idle_ns;
	c->write_due = NEVER;
	buf_init(&c->in, http->config.head_max > SCRATCH_SIZE ? http->config.head_max :
	    SCRATCH_SIZE);
	c->slot = http->free_slots[http->config.connections_max - http->count - 1];
	http->slots[c->slot] = c;
	http->count++;
	move(http, c, PLACE_IDLE);
	return c;
}

static struct connection *find(struct http *http, struct http_client client)
{
	struct connection *c;

	if (client.generation == 0 || client.slot >= http->config.connections_max)
		return NULL;
	c = http->slots[client.slot];
	return c && c->generation == client.generation ? c : NULL;
}

/* The same, where something can still be done for the client. */
static struct connection *find_alive(struct http *http, struct http_client client)
{
	struct connection *c = find(http, client);

	return c && c->fd >= 0 ? c : NULL;
}

/* Input */

/* What came cannot be taken. With a reply under way there is no other way to say so than to break
 * it. */
static void fail(struct http *http, struct connection *c, int status, const char *reason)
{
	struct exchange *x = c->exchange;

	if (x->output != OUTPUT_NONE) {
		connection_kill(http, c);
		return;
	}
	if (!c->generation)
		name_give(http, c);
	body_free(http, x);
	buf_free(&c->in);
	x->input = INPUT_STOP;
	x->keep_alive = false;
	x->status = status;
	x->reason = reason;
	c->read_due = NEVER;
	event_clear(c, EVENT_BODY | EVENT_CHUNK);
	event_set(http, c, EVENT_BAD);
}

/* Bytes of data that come next. A chunk's size counts when it has been read as a whole. */
static uint64_t body_left(const struct exchange *x)
{
	if (x->head.chunked)
		return x->chunks.state == HTTP_CHUNK_DATA ? x->chunks.left : 0;
	return x->left;
}

static void body_take(struct exchange *x, size_t n)
{
	if (x->head.chunked)
		http_chunks_take(&x->chunks, n);
	else
		x->left -= n;
}

static bool body_whole(const struct exchange *x)
{
	return x->head.chunked ? x->chunks.state == HTTP_CHUNK_END : x->left == 0;
}

/* Room for n more bytes of body. Memory grows with what has come, and never with what was only
 * announced: else a few clients that announce much and send nothing would use up what all may
 * keep. */
static int body_reserve(struct http *http, struct exchange *x, size_t n)
{
	size_t before = x->body.size, room = http->config.bodies_max - http->bodies;
	int error;

	if (!x->kept)
		return buf_reserve(&x->body, n);
	if (n > x->body.size - x->body.len && n - (x->body.size - x->body.len) > room)
		return -EDQUOT;
	error = buf_reserve(&x->body, n);
	http->bodies += x->body.size - before;
	/* Growing by doubling may have taken more than is there. */
	return !error && http->bodies > http->config.bodies_max ? -EDQUOT : error;
}

static void body_fail(struct http *http, struct connection *c, int error)
{
	if (error == -ENOSPC)
		fail(http, c, 413, "body: too large");
	else
		fail(http, c, 503, "body: no memory for it now");
}

/* The body has come as a whole, or there is none. */
static void body_end(struct http *http, struct connection *c);

/* Moves what has been read into the body, up to its end. Returns how much of the input was used, or
 * -errno, or -EBADMSG with the reason in chunks. */
static int64_t body_decode(struct http *http, struct exchange *x, struct str in)
{
	size_t at = 0, n;
	int64_t taken;
	int error;

	while (at < in.len && !body_whole(x)) {
		n = in.len - at;
		if (body_left(x) == 0) {
			taken = http_chunks_read(&x->chunks, (struct str){ in.data + at, n });
			if (taken < 0)
				return -EBADMSG;
			at += (size_t)taken;
			/* Refused before it is read: it says how long it is. */
			if (x->input == INPUT_KEEP && body_left(x) > x->body.max - x->body.len)
				return -ENOSPC;
			continue;
		}
		if (n > body_left(x))
			n = (size_t)body_left(x);
		if (x->input == INPUT_STREAM && n > x->body.max - x->body.len)
			n = x->body.max - x->body.len;
		if (n == 0)
			break;
		if (x->input != INPUT_SKIP) {
			error = body_reserve(http, x, n);
			if (error)
				return error;
			buf_append(&x->body, in.data + at, n);
		}
		body_take(x, n);
		at += n;
	}
	return (int64_t)at;
}

static void take_body(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	int64_t used = body_decode(http, x, buf_str(&c->in));

	if (used == -EBADMSG && x->input == INPUT_SKIP) {
		x->input = INPUT_STOP;	/* the reply is on its way: nothing more can be said */
		x->keep_alive = false;
	} else if (used == -EBADMSG) {
		fail(http, c, x->chunks.status, x->chunks.reason);
		return;
	} else if (used < 0) {
		body_fail(http, c, (int)used);
		return;
	} else {
		buf_consume(&c->in, (size_t)used);
		if (x->input == INPUT_SKIP)
			x->skipped += (size_t)used;
	}
	if (x->input == INPUT_SKIP && x->skipped > SKIP_MAX && !body_whole(x)) {
		x->input = INPUT_STOP;
		x->keep_alive = false;
	}
	if (x->input == INPUT_STOP && !c->generation) {
		linger(http, c);
		return;
	}
	if (x->input == INPUT_STREAM && x->body.len > 0)
		event_set(http, c, EVENT_CHUNK);
	if (x->input != INPUT_STOP && body_whole(x))
		body_end(http, c);
}

static void take_head(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	struct http_request *request = &x->head.request;
	struct buf rest;

	switch (http_head_read(&x->head, buf_str(&c->in), http->config.head_max)) {
	case HTTP_HEAD_MORE:
		return;
	case HTTP_HEAD_BAD:
		fail(http, c, x->head.status, x->head.reason);
		return;
	case HTTP_HEAD_WHOLE:
		break;
	}
	/* The head keeps the memory that it points into; what came with it gets its own. */
	buf_init(&rest, c->in.max);
	if (buf_append(&rest, c->in.data + x->head.at, c->in.len - x->head.at)) {
		connection_kill(http, c);
		return;
	}
	x->text = c->in;
	x->text.len = x->head.at;
	c->in = rest;
	memcpy(&request->peer, &c->peer, sizeof(c->peer));
	request->listener = c->listener;
	x->left = request->length;
	x->keep_alive = !x->head.close && (!x->head.http_1_0 || x->head.keep_alive);
	x->continued = !x->head.expect_continue || !request->has_body;
	x->input = INPUT_ASK;
	c->read_due = NEVER;
	name_give(http, c);
	event_set(http, c, EVENT_REQUEST);
}

/* Looks at what has been read, as far as it is its turn. */
static void take_input(struct http *http, struct connection *c)
{
	if (!c->exchange && c->in.len > 0 && exchange_begin(http, c)) {
		connection_kill(http, c);
		return;
	}
	if (!c->exchange)
		return;
	switch (c->exchange->input) {
	case INPUT_HEAD:
		take_head(http, c);
		return;
	case INPUT_KEEP:
	case INPUT_STREAM:
	case INPUT_SKIP:
		take_body(http, c);
		return;
	case INPUT_ASK:
	case INPUT_DONE:
	case INPUT_STOP:
		return;
	}
}

/* Request and reply are over, and the connection lives on. */
static void exchange_end(struct http *http, struct connection *c)
{
	exchange_free(http, c);
	if (http->draining) {
		linger(http, c);
		return;
	}
	if (c->in.len == 0)
		buf_free(&c->in);
	c->read_due = http->now + http->config.idle_ns;
	move(http, c, PLACE_IDLE);
	take_input(http, c);
}

static void body_end(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	enum input input = x->input;

	x->input = INPUT_DONE;
	c->read_due = NEVER;
	if (input == INPUT_KEEP)
		event_set(http, c, EVENT_BODY);
	else if (input == INPUT_STREAM)
		event_set(http, c, EVENT_CHUNK);
	else if (!c->generation)
		exchange_end(http, c);	/* the reply is out: only the body was waited for */
}

static bool wants_read(const struct connection *c)
{
	const struct exchange *x = c->exchange;

	if (!x)
		return true;
	switch (x->input) {
	case INPUT_HEAD:
	case INPUT_KEEP:
	case INPUT_SKIP:
		return true;
	case INPUT_STREAM:
		return x->body.len == 0;
	case INPUT_ASK:
	case INPUT_DONE:
	case INPUT_STOP:
		break;
	}
	return false;
}

/* What is read next, straight to where it belongs where that is known: 0, or -errno. */
static int read_place(struct http *http, struct connection *c, char **place, size_t *n)
{
	struct exchange *x = c->exchange;
	int error;

	*place = http->scratch;
	*n = c->place == PLACE_LINGER ? SCRATCH_SIZE : HEAD_READ;
	if (!x)
		return 0;
	if (x->input == INPUT_HEAD) {
		if (*n > http->config.head_max - c->in.len)
			*n = http->config.head_max - c->in.len;
		return 0;
	}
	*n = SCRATCH_SIZE;
	if (x->input == INPUT_SKIP || body_left(x) <= SCRATCH_SIZE)
		return 0;
	*n = x->input == INPUT_STREAM ? PIECE_MAX : SCRATCH_SIZE;
	if (*n > body_left(x))
		*n = (size_t)body_left(x);
	error = body_reserve(http, x, *n);
	if (error)
		return error;
	*place = x->body.data + x->body.len;
	*n = x->body.size - x->body.len;
	if (*n > body_left(x))
		*n = (size_t)body_left(x);
	if (*n > BODY_READ)
		*n = BODY_READ;
	return 0;
}

static void read_end(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (x && x->input == INPUT_SKIP && c->generation) {
		x->input = INPUT_STOP;	/* it may still read the reply */
		x->keep_alive = false;
		return;
	}
	connection_kill(http, c);
}

static void connection_read(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	char *place;
	size_t size;
	ssize_t n;
	int error = read_place(http, c, &place, &size);

	if (error) {
		body_fail(http, c, error);
		return;
	}
	do
		n = recv(c->fd, place, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		if (n < 0)
			connection_kill(http, c);
		else
			read_end(http, c);
		return;
	}
	if (c->place == PLACE_LINGER) {
		c->drained += (size_t)n;
		if (c->drained > LINGER_MAX)
			connection_free(http, c);
		return;
	}
	if (x && x->input != INPUT_HEAD)
		c->read_due = http->now + http->config.body_ns;
	if (place != http->scratch) {
		x->body.len += (size_t)n;
		body_take(x, (size_t)n);
	} else if (buf_append(&c->in, place, (size_t)n)) {
		connection_kill(http, c);
		return;
	}
	take_input(http, c);
}

/* Output */

static size_t out_pending(const struct exchange *x)
{
	return x->out.len - x->out_at + (x->reply.len - x->reply_at);
}

static size_t out_room(const struct exchange *x)
{
	size_t used = out_pending(x) + PIECE_OVERHEAD;

	if (x->output != OUTPUT_BEGUN)
		return 0;
	return used < PIECE_MAX ? PIECE_MAX - used : 0;
}

/* After something was sent, or had not to be: tells the caller. */
static void sent(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (x->output == OUTPUT_ENDED && out_pending(x) == 0) {
		event_set(http, c, EVENT_DONE);
	} else if (x->output == OUTPUT_BEGUN && x->wrote && out_room(x) >= PIECE_MAX / 2) {
		x->wrote = false;
		event_set(http, c, EVENT_ROOM);
	}
}

static void flush(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	struct iovec parts[2] = {
		{ x->out.data ? x->out.data + x->out_at : NULL, x->out.len - x->out_at },
		{ x->reply.data ? x->reply.data + x->reply_at : NULL, x->reply.len - x->reply_at },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t n, heads;
	ssize_t result;

	if (out_pending(x) > 0) {
		do
			result = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (result < 0 && errno == EINTR);
		if (result < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
			connection_kill(http, c);
			return;
		}
		n = result < 0 ? 0 : (size_t)result;
		heads = n < parts[0].iov_len ? n : parts[0].iov_len;
		x->out_at += heads;
		x->reply_at += n - heads;
		if (x->out_at == x->out.len)
			x->out_at = x->out.len = 0;
		if (n > 0 || c->write_due == NEVER)
			c->write_due = http->now + http->config.write_ns;
	}
	if (out_pending(x) == 0)
		c->write_due = NEVER;
	sent(http, c);
}

static const char *date(struct http *http)
{
	int64_t ms = wait_wall_clock_ms();

	if (ms / 1000 != http->date_second) {
		http->date_second = ms / 1000;
		time_text_http(http->date, ms);
	}
	return http->date;
}

/* What becomes of a body that has not been read when the reply is there: the rest is skipped where
 * it is short, else the connection closes. A client that was not told to continue may or may not
 * send it: there nothing can be skipped. */
static void settle_input(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	event_clear(c, EVENT_REQUEST | EVENT_BODY | EVENT_CHUNK | EVENT_ROOM | EVENT_BAD);
	if (x->input == INPUT_DONE || x->input == INPUT_STOP)
		return;
	body_free(http, x);
	if (body_whole(x)) {
		x->input = INPUT_DONE;
	} else if (x->continued && (x->head.chunked || x->left <= SKIP_MAX)) {
		x->input = INPUT_SKIP;
		c->read_due = http->now + http->config.body_ns;
	} else {
		x->input = INPUT_STOP;
		x->keep_alive = false;
	}
}

static bool status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* The head of a reply, appended to what is to be sent. length < 0: not known. */
static int reply_head(struct http *http, struct exchange *x, int status, const char *type,
    const char *fields, int64_t length)
{
	struct buf *out = &x->out;

	if (http->draining)
		x->keep_alive = false;
	x->no_body = x->head.request.method == HTTP_HEAD || !status_has_body(status);
	if (length < 0 && x->head.http_1_0)
		x->keep_alive = false;
	buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_text(status),
	    date(http));
	if (type)
		buf_printf(out, "Content-Type: %s\r\n", type);
	if (fields)
		buf_puts(out, fields);
	if (!status_has_body(status))
		;	/* RFC 9110, 8.6: no length there, and RFC 9112, 6.1: no coding */
	else if (length >= 0)
		buf_printf(out, "Content-Length: %lld\r\n", (long long)length);
	else if (!x->head.http_1_0)
		buf_puts(out, "Transfer-Encoding: chunked\r\n");
	if (!x->keep_alive)
		buf_puts(out, "Connection: close\r\n");
	else if (x->head.http_1_0)
		buf_puts(out, "Connection: keep-alive\r\n");
	buf_puts(out, "\r\n");
	return out->failed ? -ENOMEM : 0;
}

/* Nothing is added to the reply any more. What was read ahead of a body to be skipped is looked at
 * now: a socket that has no more to give would never bring it up. */
static void reply_whole(struct http *http, struct connection *c)
{
	c->exchange->output = OUTPUT_ENDED;
	flush(http, c);
	if (c->fd >= 0 && c->exchange->input == INPUT_SKIP)
		take_input(http, c);
}

/* A connection that can take a reply: 0, -ESTALE, or -EALREADY when it has one. */
static int find_unanswered(struct http *http, struct http_client client, struct connection **c)
{
	*c = find_alive(http, client);
	if (!*c)
		return -ESTALE;
	return (*c)->exchange->output == OUTPUT_NONE ? 0 : -EALREADY;
}

/* The poll set */

static short wanted(const struct connection *c)
{
	const struct exchange *x = c->exchange;
	int events = 0;

	if (wants_read(c))
		events |= POLLIN;
	else if (x->output == OUTPUT_NONE && x->input != INPUT_STREAM)
		events |= POLLRDHUP;
	if (x && out_pending(x) > 0)
		events |= POLLOUT;
	return (short)events;
}

/* A reply that sends no body is told of its room in the next round, as any other: the caller may
 * have much to write. */
static bool room_due(const struct connection *c)
{
	const struct exchange *x = c->exchange;

	return x && x->output == OUTPUT_BEGUN && x->wrote && out_pending(x) == 0;
}

static void timed_out(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (!x) {
		connection_free(http, c);
	} else if (x->input == INPUT_HEAD) {
		/* An empty line at most, as old clients send after a body: it is still idle. */
		if (!x->head.request_line && x->head.line == x->head.at)
			connection_free(http, c);
		else
			fail(http, c, 408, "head: too slow");
	} else if (x->input != INPUT_SKIP) {
		fail(http, c, 408, "body: too slow");
	} else if (c->generation) {
		x->input = INPUT_STOP;
		x->keep_alive = false;
	} else {
		connection_free(http, c);
	}
}

static bool is_alive(const struct http *http, uint32_t slot, const struct connection *c)
{
	return http->slots[slot] == c && c->fd >= 0;
}

static void connection_step(struct http *http, struct connection *c, short ready)
{
	uint32_t slot = c->slot;

	if (c->events & EVENT_DONE)
		return;
	if (ready & (POLLIN | POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
		if (wants_read(c))
			connection_read(http, c);
		else if (ready & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
			connection_kill(http, c);
		if (!is_alive(http, slot, c))
			return;
	}
	if (c->exchange && ((ready & POLLOUT) || room_due(c))) {
		flush(http, c);
		if (!is_alive(http, slot, c))
			return;
	}
	if (c->write_due <= http->now) {
		connection_kill(http, c);
		return;
	}
	if (wants_read(c) && c->read_due <= http->now)
		timed_out(http, c);
}

/* Accepting */

static bool evictable(const struct http *http)
{
	return !link_empty(&http->places[PLACE_IDLE]) || !link_empty(&http->places[PLACE_LINGER]) ||
	    !link_empty(&http->places[PLACE_HEAD]);
}

/* The connection that has been idle longest makes room; where none is idle, one that is being
 * closed anyway, or the one whose request has been coming for longest: a request in one packet is
 * never that. */
static bool evict(struct http *http)
{
	static const enum place order[] = { PLACE_IDLE, PLACE_LINGER, PLACE_HEAD };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!link_empty(&http->places[order[i]])) {
			connection_free(http, http->places[order[i]].next->connection);
			return true;
		}
	}
	return false;
}

static bool may_accept(const struct http *http)
{
	return http->now >= http->accept_after &&
	    (http->count < http->config.connections_max || evictable(http));
}

static bool is_scarcity(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static bool is_waiting(int listener)
{
	struct pollfd one = { .fd = listener, .events = POLLIN };

	return poll(&one, 1, 0) > 0;
}

/* After a failing accept. True when another connection may be waiting. */
static bool accept_failed(struct http *http, int error)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
		/* The connection stays in the queue and the listener readable: looking away for a
		 * moment is all that keeps the loop from spinning. */
		http->accept_after = http->now + accept_pause_ns;
		return false;
	default:	/* EINTR, or an error of the connection that was to be taken (accept(2)) */
		return true;
	}
}

/* True when another connection may be waiting. */
static bool accept_one(struct http *http, size_t listener)
{
	static const int on = 1;
	union peer peer = { .any = { .sa_family = AF_UNSPEC } };
	struct connection *c;
	socklen_t len;
	int fd, error;

	for (int attempt = 0; attempt < 2; attempt++) {
		len = sizeof(peer);
		fd = accept4(http->listeners[listener], &peer.any, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		error = errno;
		if (fd >= 0 || !is_scarcity(error))
			break;
		/* The kernel looks for a descriptor before it looks for a connection. */
		if (!is_waiting(http->listeners[listener]))
			return false;
		if (attempt > 0 || !evict(http))
			break;
	}
	if (fd < 0)
		return accept_failed(http, error);
	if (http->count == http->config.connections_max && !evict(http)) {
		close(fd);
		return false;
	}
	if (peer.any.sa_family == AF_INET || peer.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = connection_open(http, fd, (int)listener, &peer);
	if (c)
		connection_read(http, c);	/* mostly it is there: this saves a round */
	else
		close(fd);
	return true;
}

/* Public functions */

int http_open(struct http **result, const struct http_config *config)
{
	struct http *http;
	struct http_config *own;

	if (config->connections_max == 0 || config->connections_max > INT32_MAX)
		return -EINVAL;
	http = calloc(1, sizeof(*http));
	if (!http)
		return -ENOMEM;
	own = &http->config;
	*own = *config;
	own->listeners = NULL;
	own->head_max = own->head_max ? own->head_max : 32768;
	own->body_max = own->body_max ? own->body_max : (size_t)16 << 20;
	own->bodies_max = own->bodies_max ? own->bodies_max : (size_t)256 << 20;
	own->head_ns = own->head_ns ? own->head_ns : SECONDS(10);
	own->body_ns = own->body_ns ? own->body_ns : SECONDS(30);
	own->idle_ns = own->idle_ns ? own->idle_ns : SECONDS(60);
	own->write_ns = own->write_ns ? own->write_ns : SECONDS(30);
	for (size_t i = 0; i < PLACES; i++)
		link_init(&http->places[i], NULL);
	link_init(&http->events, NULL);
	http->date_second = -1;
	http->now = wait_clock();
	http->listeners = calloc(config->listeners_len + 1, sizeof(*http->listeners));
	http->listener_indexes = calloc(config->listeners_len + 1, sizeof(*http->listener_indexes));
	http->slots = calloc(own->connections_max, sizeof(*http->slots));
	http->free_slots = calloc(own->connections_max, sizeof(*http->free_slots));
	if (!http->listeners || !http->listener_indexes || !http->slots || !http->free_slots) {
		http_close(http);
		return -ENOMEM;
	}
	for (size_t i = 0; i < own->connections_max; i++)
		http->free_slots[i] = (uint32_t)(own->connections_max - 1 - i);
	for (size_t i = 0; i < config->listeners_len; i++) {
		http->listeners[i] = config->listeners[i];
		http->listener_indexes[i] = WAIT_NONE;
	}
	http->listeners_len = config->listeners_len;
	*result = http;
	return 0;
}

static void listeners_close(struct http *http)
{
	for (size_t i = 0; i < http->listeners_len; i++)
		close(http->listeners[i]);
	http->listeners_len = 0;
}

void http_drain(struct http *http)
{
	struct link *idle = &http->places[PLACE_IDLE];

	http->draining = true;
	listeners_close(http);
	while (!link_empty(idle))
		connection_free(http, idle->next->connection);
}

size_t http_busy(const struct http *http)
{
	return http->busy;
}

size_t http_connections(const struct http *http)
{
	return http->count;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	listeners_close(http);
	/* By slot: a connection that waits for its last event to be read is in no place. */
	for (size_t i = 0; http->slots && i < http->config.connections_max; i++)
		if (http->slots[i])
			connection_free(http, http->slots[i]);
	free(http->listeners);
	free(http->listener_indexes);
	free(http->slots);
	free(http->free_slots);
	free(http);
}

void http_wait(struct http *http, struct wait *wait)
{
	http->now = wait->now;
	for (size_t place = 0; place < PLACES; place++) {
		struct link *list = &http->places[place];

		for (struct link *l = list->next; l != list; l = l->next) {
			struct connection *c = l->connection;

			c->index = wait_add(wait, c->fd, wanted(c));
			if (wants_read(c) && c->read_due != NEVER)
				wait_until(wait, c->read_due);
			if (c->write_due != NEVER)
				wait_until(wait, c->write_due);
			if (room_due(c))
				wait_until(wait, wait->now);
		}
	}
	for (size_t i = 0; i < http->listeners_len; i++)
		http->listener_indexes[i] = may_accept(http) ?
		    wait_add(wait, http->listeners[i], POLLIN) : WAIT_NONE;
	if (http->listeners_len > 0 && http->accept_after > wait->now)
		wait_until(wait, http->accept_after);
	if (!link_empty(&http->events))
		wait_until(wait, wait->now);
}

void http_step(struct http *http, struct wait *wait)
{
	http->now = wait->now;
	for (size_t place = 0; place < PLACES; place++) {
		struct link *list = &http->places[place], *next;

		/* A step may move the connection to another place, or free it, but no other one.
		 * One that moves to a later place is stepped twice: the second time nothing is
		 * ready. */
		for (struct link *l = list->next; l != list; l = next) {
			struct connection *c = l->connection;
			short ready = wait_ready(wait, c->index);

			next = l->next;
			c->index = WAIT_NONE;
			connection_step(http, c, ready);
		}
	}
	for (size_t i = 0; i < http->listeners_len; i++) {
		bool more = wait_ready(wait, http->listener_indexes[i]) != 0;

		http->listener_indexes[i] = WAIT_NONE;
		for (size_t n = 0; more && n < ACCEPTS_MAX && may_accept(http); n++)
			more = accept_one(http, i);
	}
}

/* The reply is sent and the caller knows it: its name is gone. */
static void done(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	name_take(http, c);
	if (!x->keep_alive) {
		linger(http, c);
	} else if (x->input == INPUT_SKIP) {
		buf_free(&x->reply);
		buf_free(&x->out);
		buf_free(&x->text);
		x->reply_at = x->out_at = 0;
		move(http, c, PLACE_HEAD);
	} else {
		exchange_end(http, c);
	}
}

bool http_next(struct http *http, struct http_event *event)
{
	struct connection *c = http->events.next->connection;
	struct exchange *x;
	uint64_t unsent;
	size_t i = 0;

	*event = (struct http_event){ .type = HTTP_NONE };
	if (!c)
		return false;
	x = c->exchange;
	while (!(c->events & event_types[i].bit))
		i++;
	event_clear(c, event_types[i].bit);
	event->type = event_types[i].type;
	event->client = (struct http_client){ c->slot, c->generation };
	event->status = x->status;
	event->reason = x->reason;
	event->began = x->began;
	x->delivered = true;
	unsent = out_pending(x);
	event->sent = unsent < x->written ? x->written - unsent : 0;
	if (event->type == HTTP_DONE)
		done(http, c);
	else if (event->type == HTTP_GONE)
		connection_free(http, c);
	return true;
}

const struct http_request *http_request(struct http *http, struct http_client client)
{
	struct connection *c = find(http, client);

	return c && c->exchange->text.len > 0 ? &c->exchange->head.request : NULL;
}

/* A request whose body can be asked for: 0, -ESTALE, or -EALREADY when it was, or was given up. */
static int find_asking(struct http *http, struct http_client client, struct connection **c)
{
	*c = find_alive(http, client);
	if (!*c)
		return -ESTALE;
	return (*c)->exchange->input == INPUT_ASK ? 0 : -EALREADY;
}

static void body_begin(struct http *http, struct connection *c, enum input input, size_t max)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct exchange *x = c->exchange;
	bool tell = !x->continued && c->in.len == 0 && x->output == OUTPUT_NONE;

	x->input = input;
	x->continued = true;
	buf_init(&x->body, max);
	x->kept = input == INPUT_KEEP;
	c->read_due = http->now + http->config.body_ns;
	if (!x->head.request.has_body) {
		body_end(http, c);
		return;
	}
	if (tell && buf_append(&x->out, go_on, sizeof(go_on) - 1)) {
		connection_kill(http, c);
		return;
	}
	if (tell)
		flush(http, c);
	if (c->fd >= 0)
		take_input(http, c);
}

int http_body_keep(struct http *http, struct http_client client)
{
	const struct http_request *request;
	struct connection *c;
	int error = find_asking(http, client, &c);

	if (error)
		return error;
	request = &c->exchange->head.request;
	if (request->length > http->config.body_max)
		body_fail(http, c, -ENOSPC);
	else if (request->length > http->config.bodies_max - http->bodies)
		body_fail(http, c, -EDQUOT);
	else
		body_begin(http, c, INPUT_KEEP,
		    request->has_length ? (size_t)request->length : http->config.body_max);
	return 0;
}

int http_body_stream(struct http *http, struct http_client client)
{
	struct connection *c;
	int error = find_asking(http, client, &c);

	if (!error)
		body_begin(http, c, INPUT_STREAM, PIECE_MAX);
	return error;
}

struct str http_body(struct http *http, struct http_client client)
{
	struct connection *c = find_alive(http, client);
	struct exchange *x = c ? c->exchange : NULL;

	if (!x || x->body.len == x->body_at)
		return STR("");
	return (struct str){ x->body.data + x->body_at, x->body.len - x->body_at };
}

bool http_body_ended(struct http *http, struct http_client client)
{
	struct connection *c = find_alive(http, client);

	if (!c || c->exchange->input != INPUT_DONE || c->exchange->body.len > c->exchange->body_at)
		return false;
	if (!c->exchange->kept)		/* told now: not once more */
		event_clear(c, EVENT_CHUNK);
	return true;
}

void http_body_consume(struct http *http, struct http_client client, size_t n)
{
	struct connection *c = find_alive(http, client);
	struct exchange *x = c ? c->exchange : NULL;

	if (!x || x->kept || n == 0 || n > x->body.len - x->body_at)
		return;
	x->body_at += n;
	if (x->body_at < x->body.len)
		return;
	x->body_at = x->body.len = 0;
	if (x->input == INPUT_DONE) {
		event_set(http, c, EVENT_CHUNK);
	} else if (x->input == INPUT_STREAM) {
		c->read_due = http->now + http->config.body_ns;
		take_input(http, c);
	}
}

void http_body_drop(struct http *http, struct http_client client)
{
	struct connection *c = find(http, client);

	if (c && c->exchange->input == INPUT_DONE)
		body_free(http, c->exchange);
}

int http_reply(struct http *http, struct http_client client, int status, const char *type,
    const char *fields, struct buf *body)
{
	struct connection *c;
	struct exchange *x;
	int error = find_unanswered(http, client, &c);

	if (error)
		return error;
	x = c->exchange;
	settle_input(http, c);
	error = reply_head(http, x, status, type, fields, body ? (int64_t)body->len : 0);
	if (error) {
		connection_kill(http, c);
		return error;
	}
	if (body && x->no_body) {
		buf_free(body);
	} else if (body) {
		x->reply = *body;
		x->written = body->len;
		buf_init(body, body->max);
	}
	reply_whole(http, c);
	return 0;
}

int http_reply_begin(struct http *http, struct http_client client, int status, const char *type,
    const char *fields, int64_t length)
{
	struct connection *c;
	struct exchange *x;
	int error = find_unanswered(http, client, &c);

	if (error)
		return error;
	x = c->exchange;
	event_clear(c, EVENT_BAD);
	error = reply_head(http, x, status, type, fields, length);
	if (error) {
		connection_kill(http, c);
		return error;
	}
	x->sized = length >= 0;
	x->reply_left = length >= 0 ? (uint64_t)length : 0;
	x->chunked = !x->sized && !x->head.http_1_0;
	x->output = OUTPUT_BEGUN;
	c->write_due = http->now + http->config.write_ns;
	event_set(http, c, EVENT_ROOM);
	return 0;
}

size_t http_reply_room(struct http *http, struct http_client client)
{
	struct connection *c = find_alive(http, client);

	return c ? out_room(c->exchange) : 0;
}

int64_t http_reply_write(struct http *http, struct http_client client, struct str data)
{
	struct connection *c = find_alive(http, client);
	struct exchange *x;
	size_t n;

	if (!c || c->exchange->output != OUTPUT_BEGUN)
		return -ESTALE;
	x = c->exchange;
	if (x->sized && data.len > x->reply_left)
		return -EMSGSIZE;
	n = data.len < out_room(x) ? data.len : out_room(x);
	x->wrote = true;
	if (x->sized)
		x->reply_left -= n;
	if (n == 0 || x->no_body)
		return (int64_t)n;
	if (x->out_at > 0) {
		buf_consume(&x->out, x->out_at);
		x->out_at = 0;
	}
	if (buf_reserve(&x->out, n + PIECE_OVERHEAD)) {
		connection_kill(http, c);
		return -ESTALE;
	}
	if (x->chunked)
		buf_printf(&x->out, "%zx\r\n", n);
	buf_append(&x->out, data.data, n);
	if (x->chunked)
		buf_puts(&x->out, "\r\n");
	x->written += n;
	if (c->write_due == NEVER)
		c->write_due = http->now + http->config.write_ns;
	return (int64_t)n;
}

int http_reply_end(struct http *http, struct http_client client)
{
	struct connection *c = find_alive(http, client);
	struct exchange *x;

	if (!c || c->exchange->output != OUTPUT_BEGUN)
		return -ESTALE;
	x = c->exchange;
	if (x->sized && x->reply_left > 0 && !x->no_body) {
		connection_kill(http, c);
		return 0;
	}
	if (x->chunked && !x->no_body && buf_puts(&x->out, "0\r\n\r\n")) {
		connection_kill(http, c);
		return -ENOMEM;
	}
	settle_input(http, c);
	reply_whole(http, c);
	return 0;
}

void http_cut(struct http *http, struct http_client client)
{
	struct connection *c = find_alive(http, client);

	if (c && !(c->events & EVENT_DONE))
		connection_kill(http, c);
}
