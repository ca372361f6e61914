/* http_quiet.c - connections where nothing happens are watched by the kernel (epoll(7)), and cost a round nothing
 *
 * poll(2) walks all that it is given, each round: with a thousand idle clients that takes longer than a run does. So a connection
 * that has been quiet for a while leaves the poll set for an epoll, which is one descriptor of the poll set. It comes back when
 * something happens to it: its socket is ready, its time is over, or the caller names it. Without an epoll all stay where they
 * are. */
#include "http_private.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READY_MAX = 64 };
static const int64_t quiet_ns = SECONDS(1) / 20;
/* Those whose time is over in one such span come back together: each time all the quiet ones are looked through. */
static const int64_t span_ns = SECONDS(1) / 4;

/* The events of poll(2) and epoll(7) are the same bits. */
_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR && POLLHUP == EPOLLHUP &&
    POLLRDHUP == EPOLLRDHUP, "poll and epoll");

static int64_t due(const struct connection *c)
{
	int64_t read_due = input_wanted(c) ? c->read_due : NEVER;

	return read_due < c->write_due ? read_due : c->write_due;
}

void quiet_open(struct http *http)
{
	http->quiet_due = NEVER;
	http->epoll = epoll_create1(EPOLL_CLOEXEC);
}

void quiet_close(struct http *http)
{
	if (http->epoll >= 0)
		close(http->epoll);
}

/* True when it has left the poll set. */
bool quiet_take(struct http *http, struct connection *c, short events)
{
	struct epoll_event event = { .events = (uint32_t)events, .data.ptr = c };

	if (http->epoll < 0 || http->now - c->moved < quiet_ns || c->events || due(c) <= http->now ||
	    epoll_ctl(http->epoll, EPOLL_CTL_ADD, c->fd, &event))
		return false;
	c->quiet = true;
	link_append(&http->quiet, &c->set_link);
	if (due(c) < http->quiet_due)
		http->quiet_due = due(c);
	return true;
}

void quiet_leave(struct http *http, struct connection *c)
{
	c->moved = http->now;
	if (!c->quiet)
		return;
	c->quiet = false;
	link_append(&http->polled, &c->set_link);
	/* It is closed in the next line of whoever frees it, or watched by poll from now on. */
	(void)epoll_ctl(http->epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

void quiet_wait(struct http *http, struct wait *wait)
{
	http->epoll_index = WAIT_NONE;
	if (link_empty(&http->quiet))
		return;
	http->epoll_index = wait_add(wait, http->epoll, POLLIN);
	if (http->quiet_due != NEVER)
		wait_until(wait, http->quiet_due);
}

static void take_due(struct http *http)
{
	struct link *next;

	http->quiet_due = NEVER;
	for (struct link *l = http->quiet.next; l != &http->quiet; l = next) {
		struct connection *c = l->connection;

		next = l->next;
		if (due(c) <= http->now + span_ns)
			quiet_leave(http, c);
		else if (due(c) < http->quiet_due)
			http->quiet_due = due(c);
	}
}

void quiet_step(struct http *http, const struct wait *wait)
{
	struct epoll_event ready[READY_MAX];
	int n = wait_ready(wait, http->epoll_index) ? READY_MAX : 0;

	while (n == READY_MAX) {
		n = epoll_wait(http->epoll, ready, READY_MAX, 0);
		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;
			c->ready = (short)ready[i].events;
			quiet_leave(http, c);
		}
	}
	if (http->quiet_due <= http->now)
		take_due(http);
}
