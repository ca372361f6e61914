/* http_output.c - bytes out: heads and bodies of replies, whole or in pieces */
#include "http_private.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PIECE_OVERHEAD = 32 };		/* the framing of a chunk, and that of the last one */

size_t output_pending(const struct exchange *x)
{
	return x->out.len - x->out_at + (x->reply.len - x->reply_at);
}

static size_t out_room(const struct exchange *x)
{
	size_t used = output_pending(x) + PIECE_OVERHEAD;

	if (x->output != OUTPUT_BEGUN)
		return 0;
	return used < PIECE_MAX ? PIECE_MAX - used : 0;
}

/* After something was sent, or had not to be: tells the caller. */
static void sent(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (x->output == OUTPUT_ENDED && output_pending(x) == 0) {
		connection_event(http, c, EVENT_DONE);
	} else if (x->output == OUTPUT_BEGUN && x->wrote && out_room(x) >= PIECE_MAX / 2) {
		x->wrote = false;
		connection_event(http, c, EVENT_ROOM);
	}
}

void output_flush(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;
	struct iovec parts[2] = {
		{ x->out.data ? x->out.data + x->out_at : NULL, x->out.len - x->out_at },
		{ x->reply.data ? x->reply.data + x->reply_at : NULL, x->reply.len - x->reply_at },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t n, heads;
	ssize_t result;

	if (output_pending(x) > 0) {
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
	if (output_pending(x) == 0)
		c->write_due = NEVER;
	sent(http, c);
}

/* A reply that sends no body is told of its room in the next round, as any other: the caller may
 * have much to write. */
bool output_room_due(const struct connection *c)
{
	const struct exchange *x = c->exchange;

	return x && x->output == OUTPUT_BEGUN && x->wrote && output_pending(x) == 0;
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
	output_flush(http, c);
	if (c->fd >= 0 && c->exchange->input == INPUT_SKIP)
		input_take(http, c);
}

/* A connection that can take a reply: 0, -ESTALE, or -EALREADY when it has one. */
static int find_unanswered(struct http *http, struct http_client client, struct connection **c)
{
	*c = connection_find_alive(http, client);
	if (!*c)
		return -ESTALE;
	return (*c)->exchange->output == OUTPUT_NONE ? 0 : -EALREADY;
}

/* Public functions */

int http_reply(struct http *http, struct http_client client, int status, const char *type,
    const char *fields, struct buf *body)
{
	struct connection *c;
	struct exchange *x;
	int error = find_unanswered(http, client, &c);

	if (error)
		return error;
	x = c->exchange;
	input_settle(http, c);
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
	connection_event_clear(c, EVENT_BAD);
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
	connection_event(http, c, EVENT_ROOM);
	return 0;
}

size_t http_reply_room(struct http *http, struct http_client client)
{
	struct connection *c = connection_find_alive(http, client);

	return c ? out_room(c->exchange) : 0;
}

int64_t http_reply_write(struct http *http, struct http_client client, struct str data)
{
	struct connection *c = connection_find_alive(http, client);
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
	struct connection *c = connection_find_alive(http, client);
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
	input_settle(http, c);
	reply_whole(http, c);
	return 0;
}

void http_cut(struct http *http, struct http_client client)
{
	struct connection *c = connection_find_alive(http, client);

	if (c && !(c->events & EVENT_DONE))
		connection_kill(http, c);
}
