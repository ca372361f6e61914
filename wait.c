/* wait.c - one poll set for the whole process, its deadline, and the only clock that is read
 *
 * Knows descriptors and time, and nothing of what they are for. Everyone else has the time passed
 * in, so that a test can pass in another. */
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum { WAIT_SIZE_MIN = 64 };

static const int64_t ns_per_s = 1000000000;
static const int64_t retry_ns = 10000000;

int64_t wait_clock(void)
{
	struct timespec time;

	/* Cannot fail: the clock is always there and the pointer is good (clock_gettime(2)). */
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * ns_per_s + time.tv_nsec;
}

int64_t wait_wall_clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void wait_open(struct wait *wait)
{
	*wait = (struct wait){ .deadline = INT64_MAX };
}

void wait_close(struct wait *wait)
{
	free(wait->fds);
	wait_open(wait);
}

void wait_begin(struct wait *wait)
{
	wait->len = 0;
	wait->deadline = INT64_MAX;
	wait->now = wait_clock();
}

static int grow(struct wait *wait)
{
	size_t size = wait->size ? wait->size * 2 : WAIT_SIZE_MIN;
	struct pollfd *fds;

	/* The bound keeps every index an int, and every product below in range. */
	if (wait->size > INT32_MAX / sizeof(*fds) / 2)
		return -ENOMEM;
	fds = realloc(wait->fds, size * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	wait->fds = fds;
	wait->size = size;
	return 0;
}

int wait_add(struct wait *wait, int fd, short events)
{
	if (fd < 0)
		return WAIT_NONE;
	if (wait->len == wait->size && grow(wait)) {
		wait_until(wait, wait->now + retry_ns);
		return WAIT_NONE;
	}
	wait->fds[wait->len] = (struct pollfd){ .fd = fd, .events = events };
	return (int)wait->len++;
}

void wait_until(struct wait *wait, int64_t deadline_ns)
{
	if (deadline_ns < wait->deadline)
		wait->deadline = deadline_ns;
}

int wait_poll(struct wait *wait)
{
	struct timespec left = { 0, 0 }, *timeout = NULL;
	int error = 0;

	if (wait->deadline != INT64_MAX) {
		/* Not the time of wait_begin: what was done since then has taken some. */
		int64_t now = wait_clock();

		if (wait->deadline > now) {
			left.tv_sec = (time_t)((wait->deadline - now) / ns_per_s);
			left.tv_nsec = (long)((wait->deadline - now) % ns_per_s);
		}
		timeout = &left;
	}
	/* ppoll, because the milliseconds of poll would round a deadline. */
	if (ppoll(wait->fds, (nfds_t)wait->len, timeout, NULL) < 0) {
		error = errno == EINTR || errno == ENOMEM ? 0 : -errno;
		for (size_t i = 0; i < wait->len; i++)
			wait->fds[i].revents = 0;
	}
	wait->now = wait_clock();
	return error;
}

short wait_ready(const struct wait *wait, int index)
{
	return index < 0 || (size_t)index >= wait->len ? (short)0 : wait->fds[index].revents;
}

int
wait_child(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
