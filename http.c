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
#include "http_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_MAX = 64 };		/* for each listener and round */
static const int64_t accept_pause_ns = SECONDS(1) / 10;

static const struct {
	unsigned bit;
	enum http_event_type type;
} event_types[] = {
	{ EVENT_REQUEST, HTTP_REQUEST }, { EVENT_BODY, HTTP_BODY }, { EVENT_CHUNK, HTTP_CHUNK },
	{ EVENT_ROOM, HTTP_ROOM }, { EVENT_BAD, HTTP_BAD }, { EVENT_DONE, HTTP_DONE },
	{ EVENT_GONE, HTTP_GONE },
};

/* The poll set */

static short wanted(const struct connection *c)
{
	const struct exchange *x = c->exchange;
	int events = 0;

	if (input_wanted(c))
		events |= POLLIN;
	else if (x->output == OUTPUT_NONE && x->input != INPUT_STREAM)
		events |= POLLRDHUP;
	if (x && output_pending(x) > 0)
		events |= POLLOUT;
	return (short)events;
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
		if (input_wanted(c))
			input_read(http, c);
		else if (ready & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
			connection_kill(http, c);
		if (!is_alive(http, slot, c))
			return;
	}
	if (c->exchange && ((ready & POLLOUT) || output_room_due(c))) {
		output_flush(http, c);
		if (!is_alive(http, slot, c))
			return;
	}
	if (c->write_due <= http->now) {
		connection_kill(http, c);
		return;
	}
	if (input_wanted(c) && c->read_due <= http->now)
		input_timed_out(http, c);
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
		input_read(http, c);	/* mostly it is there: this saves a round */
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
	link_init(&http->polled, NULL);
	link_init(&http->quiet, NULL);
	quiet_open(http);
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
	quiet_close(http);
	free(http->listeners);
	free(http->listener_indexes);
	free(http->slots);
	free(http->free_slots);
	free(http);
}

void http_wait(struct http *http, struct wait *wait)
{
	struct link *next;

	http->now = wait->now;
	for (struct link *l = http->polled.next; l != &http->polled; l = next) {
		struct connection *c = l->connection;
		short events = wanted(c);

		next = l->next;
		if (!output_room_due(c) && quiet_take(http, c, events))
			continue;
		c->index = wait_add(wait, c->fd, events);
		if (input_wanted(c) && c->read_due != NEVER)
			wait_until(wait, c->read_due);
		if (c->write_due != NEVER)
			wait_until(wait, c->write_due);
		if (output_room_due(c))
			wait_until(wait, wait->now);
	}
	quiet_wait(http, wait);
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
	struct link *next;

	http->now = wait->now;
	quiet_step(http, wait);
	/* A step may move the connection to another place, or free it, but no other one. */
	for (struct link *l = http->polled.next; l != &http->polled; l = next) {
		struct connection *c = l->connection;
		short ready = (short)(wait_ready(wait, c->index) | c->ready);

		next = l->next;
		c->index = WAIT_NONE;
		c->ready = 0;
		if (ready)
			c->moved = http->now;
		connection_step(http, c, ready);
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

	connection_name_take(http, c);
	if (!x->keep_alive) {
		connection_linger(http, c);
	} else if (x->input == INPUT_SKIP) {
		buf_free(&x->reply);
		buf_free(&x->out);
		buf_free(&x->text);
		x->reply_at = x->out_at = 0;
		connection_move(http, c, PLACE_HEAD);
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
	connection_event_clear(c, event_types[i].bit);
	event->type = event_types[i].type;
	event->client = (struct http_client){ c->slot, c->generation };
	event->status = x->status;
	event->reason = x->reason;
	event->began = x->began;
	x->delivered = true;
	unsent = output_pending(x);
	event->sent = unsent < x->written ? x->written - unsent : 0;
	if (event->type == HTTP_DONE)
		done(http, c);
	else if (event->type == HTTP_GONE)
		connection_free(http, c);
	return true;
}

const struct http_request *http_request(struct http *http, struct http_client client)
{
	struct connection *c = connection_find(http, client);

	return c && c->exchange->text.len > 0 ? &c->exchange->head.request : NULL;
}
