/* http_connection.c - lives of connections and their exchanges: made, named, moved, lingering, freed */
#include "http_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const int64_t linger_ns = SECONDS(2);

void connection_move(struct http *http, struct connection *c, enum place place)
{
	link_remove(&c->place_link);
	c->place = place;
	if (place != PLACE_NOWHERE)
		link_append(&http->places[place], &c->place_link);
}

void connection_event(struct http *http, struct connection *c, unsigned event)
{
	if (!c->events)
		link_append(&http->events, &c->event_link);
	c->events |= event;
}

void connection_event_clear(struct connection *c, unsigned events)
{
	c->events &= ~events;
	if (!c->events)
		link_remove(&c->event_link);
}

void exchange_body_free(struct http *http, struct exchange *x)
{
	if (x->kept)
		http->bodies -= x->body.size;
	buf_free(&x->body);
	x->body_at = 0;
}

void exchange_free(struct http *http, struct connection *c)
{
	struct exchange *x = c->exchange;

	if (!x)
		return;
	exchange_body_free(http, x);
	buf_free(&x->text);
	buf_free(&x->out);
	buf_free(&x->reply);
	free(x);
	c->exchange = NULL;
	c->read_due = c->write_due = NEVER;
}

int exchange_begin(struct http *http, struct connection *c)
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
	connection_move(http, c, PLACE_HEAD);
	return 0;
}

void connection_name_give(struct http *http, struct connection *c)
{
	if (++http->generation == 0)
		http->generation = 1;
	c->generation = http->generation;
	http->busy++;
	connection_move(http, c, PLACE_BUSY);
}

void connection_name_take(struct http *http, struct connection *c)
{
	if (c->generation)
		http->busy--;
	c->generation = 0;
}

void connection_free(struct http *http, struct connection *c)
{
	connection_event_clear(c, ~0u);
	connection_move(http, c, PLACE_NOWHERE);
	link_remove(&c->set_link);
	connection_name_take(http, c);
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
void connection_kill(struct http *http, struct connection *c)
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
	connection_move(http, c, PLACE_NOWHERE);
	link_remove(&c->set_link);
	exchange_body_free(http, c->exchange);
	buf_free(&c->in);
	connection_event_clear(c, ~0u);
	connection_event(http, c, EVENT_GONE);
}

void connection_linger(struct http *http, struct connection *c)
{
	exchange_free(http, c);
	buf_free(&c->in);
	if (shutdown(c->fd, SHUT_WR)) {
		connection_free(http, c);
		return;
	}
	c->read_due = http->now + linger_ns;
	c->drained = 0;
	connection_move(http, c, PLACE_LINGER);
}

struct connection *connection_open(struct http *http, int fd, int listener,
    const union peer *peer)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct ucred who;
	socklen_t len = sizeof(who);

	if (!c)
		return NULL;
	link_init(&c->place_link, c);
	link_init(&c->event_link, c);
	link_init(&c->set_link, c);
	link_append(&http->polled, &c->set_link);
	c->moved = http->now;
	c->fd = fd;
	c->index = WAIT_NONE;
	c->listener = listener;
	c->peer = *peer;
	c->peer_uid = peer->any.sa_family == AF_UNIX && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) ?
	    who.uid : UINT32_MAX;
	c->read_due = http->now + http->config.idle_ns;
	c->write_due = NEVER;
	buf_init(&c->in, http->config.head_max > SCRATCH_SIZE ? http->config.head_max :
	    SCRATCH_SIZE);
	c->slot = http->free_slots[http->config.connections_max - http->count - 1];
	http->slots[c->slot] = c;
	http->count++;
	connection_move(http, c, PLACE_IDLE);
	return c;
}

struct connection *connection_find(struct http *http, struct http_client client)
{
	struct connection *c;

	if (client.generation == 0 || client.slot >= http->config.connections_max)
		return NULL;
	c = http->slots[client.slot];
	return c && c->generation == client.generation ? c : NULL;
}

/* The same, where something can still be done for the client. */
struct connection *connection_find_alive(struct http *http, struct http_client client)
{
	struct connection *c = connection_find(http, client);

	if (!c || c->fd < 0)
		return NULL;
	quiet_leave(http, c);
	return c;
}
