/* http_input.c - bytes in: heads and bodies, kept, handed on or skipped */
#include "http_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	HEAD_READ = 4096,		/* at once, while a head comes: bounds reading ahead */
	BODY_READ = 262144,		/* of a kept body, at once */
};

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
		connection_name_give(http, c);
	exchange_body_free(http, x);
	buf_free(&c->in);
	x->input = INPUT_STOP;
	x->keep_alive = false;
	x->status = status;
	x->reason = reason;
	c->read_due = NEVER;
	connection_event_clear(c, EVENT_BODY | EVENT_CHUNK);
	connection_event(http, c, EVENT_BAD);
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
		connection_linger(http, c);
		return;
	}
	if (x->input == INPUT_STREAM && x->body.len > 0)
		connection_event(http, c, EVENT_CHUNK);
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
	request->peer_uid = c->peer_uid;
	request->listener = c->listener;
	x->left = request->length;
	x->keep_alive = !x->head.close && (!x->head.http_1_0 || x->head.keep_alive);
	x->continued = !x->head.expect_continue || !request->has_body;
	x->input = INPUT_ASK;
	c->read_due = NEVER;
	connection_name_give(http, c);
	connection_event(http, c, EVENT_REQUEST);
}

/* Looks at what has been read, as far as it is its turn. */
void input_take(struct http *http, struct connection *c)
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
void exchange_end(struct http *http, struct connection *c)
{
	exchange_free(http, c);
	if (http->draining) {
		connection_linger(http, c);
		return;
	}
	if (c->in.len == 0)
		buf_free(&c->in);
	c->read_due = http->now + http->config.idle_ns;
	connection_move(http, c, PLACE_IDLE);
	input_take(http, c);
}

static void body_end(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	enum input input = x->input;

	x->input = INPUT_DONE;
	c->read_due = NEVER;
	if (input == INPUT_KEEP)
		connection_event(http, c, EVENT_BODY);
	else if (input == INPUT_STREAM)
		connection_event(http, c, EVENT_CHUNK);
	else if (!c->generation)
		exchange_end(http, c);	/* the reply is out: only the body was waited for */
}

bool input_wanted(const struct connection *c)
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

void input_read(struct http *http, struct connection *c)
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
	input_take(http, c);
}

/* What becomes of a body that has not been read when the reply is there: the rest is skipped where
 * it is short, else the connection closes. A client that was not told to continue may or may not
 * send it: there nothing can be skipped. */
void input_settle(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	connection_event_clear(c, EVENT_REQUEST | EVENT_BODY | EVENT_CHUNK | EVENT_ROOM | EVENT_BAD);
	if (x->input == INPUT_DONE || x->input == INPUT_STOP)
		return;
	exchange_body_free(http, x);
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

void input_timed_out(struct http *http, struct connection *c)
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

/* Public functions */

/* A request whose body can be asked for: 0, -ESTALE, or -EALREADY when it was, or was given up. */
static int find_asking(struct http *http, struct http_client client, struct connection **c)
{
	*c = connection_find_alive(http, client);
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
		output_flush(http, c);
	if (c->fd >= 0)
		input_take(http, c);
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
	struct connection *c = connection_find_alive(http, client);
	struct exchange *x = c ? c->exchange : NULL;

	if (!x || x->body.len == x->body_at)
		return STR("");
	return (struct str){ x->body.data + x->body_at, x->body.len - x->body_at };
}

bool http_body_ended(struct http *http, struct http_client client)
{
	struct connection *c = connection_find_alive(http, client);

	if (!c || c->exchange->input != INPUT_DONE || c->exchange->body.len > c->exchange->body_at)
		return false;
	if (!c->exchange->kept)		/* told now: not once more */
		connection_event_clear(c, EVENT_CHUNK);
	return true;
}

void http_body_consume(struct http *http, struct http_client client, size_t n)
{
	struct connection *c = connection_find_alive(http, client);
	struct exchange *x = c ? c->exchange : NULL;

	if (!x || x->kept || n == 0 || n > x->body.len - x->body_at)
		return;
	x->body_at += n;
	if (x->body_at < x->body.len)
		return;
	x->body_at = x->body.len = 0;
	if (x->input == INPUT_DONE) {
		connection_event(http, c, EVENT_CHUNK);
	} else if (x->input == INPUT_STREAM) {
		c->read_due = http->now + http->config.body_ns;
		input_take(http, c);
	}
}

void http_body_drop(struct http *http, struct http_client client)
{
	struct connection *c = connection_find(http, client);

	if (c && c->exchange->input == INPUT_DONE)
		exchange_body_free(http, c->exchange);
}
