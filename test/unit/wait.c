/* needs: */
/* The poll set: indexes, deadlines, and what it does when memory or a signal is against it. */
#include <stdbool.h>
#include <stdlib.h>

static void *test_realloc(void *old, size_t size);
#define realloc test_realloc
#include "../../wait.c"
#undef realloc

#include "test.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static int realloc_calls;
static bool realloc_fails;

static void *test_realloc(void *old, size_t size)
{
	realloc_calls++;
	return realloc_fails ? NULL : realloc(old, size);
}

enum { MS = 1000000 };

TEST("the clock counts nanoseconds and never goes back")
{
	int64_t before = wait_clock(), after;

	usleep(2000);
	after = wait_clock();
	CHECK(before > 0);
	CHECK(after - before >= 2 * MS);
	CHECK(after - before < INT64_C(5000) * MS);
}

TEST("the wall clock counts milliseconds since 1970")
{
	int64_t expected = (int64_t)time(NULL) * 1000, actual = wait_wall_clock_ms();

	CHECK(actual >= expected - 1000);
	CHECK(actual <= expected + 2000);
}

TEST("a new round has no descriptors, no deadline and the time of its start")
{
	struct wait wait;

	wait_open(&wait);
	CHECK(!wait.fds);
	wait_begin(&wait);
	CHECK_INT(wait_add(&wait, 0, 0), 0);
	wait_until(&wait, 5);
	wait.now = 0;
	wait_begin(&wait);
	CHECK_INT(wait.len, 0);
	CHECK(wait.deadline == INT64_MAX);
	CHECK(wait_clock() - wait.now < INT64_C(1000) * MS);
	wait_close(&wait);
	CHECK(!wait.fds);
	CHECK_INT(wait.size, 0);
}

TEST("what is ready is told by index, and what is not ready is 0")
{
	int idle[2], ready[2];
	struct wait wait;
	int a, b, none;

	CHECK_INT(pipe(idle), 0);
	CHECK_INT(pipe(ready), 0);
	CHECK_INT(write(ready[1], "x", 1), 1);
	wait_open(&wait);
	wait_begin(&wait);
	a = wait_add(&wait, idle[0], POLLIN);
	none = wait_add(&wait, -1, POLLIN);
	b = wait_add(&wait, ready[0], POLLIN);
	CHECK_INT(a, 0);
	CHECK_INT(none, WAIT_NONE);
	CHECK_INT(b, 1);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK_INT(wait_ready(&wait, a), 0);
	CHECK_INT(wait_ready(&wait, b), POLLIN);
	CHECK_INT(wait_ready(&wait, none), 0);
	/* An index of an earlier, larger round is nothing in this one. */
	wait_begin(&wait);
	CHECK_INT(wait_ready(&wait, b), 0);
	wait_close(&wait);
	for (int i = 0; i < 2; i++) {
		close(idle[i]);
		close(ready[i]);
	}
}

TEST("a round ends at the earliest of its deadlines, not before and not much later")
{
	struct wait wait;
	int64_t start;

	wait_open(&wait);
	wait_begin(&wait);
	start = wait.now;
	wait_until(&wait, start + INT64_C(60000) * MS);
	wait_until(&wait, start + 20 * MS);
	wait_until(&wait, INT64_MAX);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK(wait.now >= start + 20 * MS);
	CHECK(wait.now < start + INT64_C(5000) * MS);
	wait_close(&wait);
}

TEST("a deadline of less than a millisecond is not rounded")
{
	struct wait wait;
	int64_t best = INT64_MAX;

	wait_open(&wait);
	/* The best of some, because another process may hold the core. */
	for (int i = 0; i < 50; i++) {
		wait_begin(&wait);
		wait_until(&wait, wait.now + 200000);
		int64_t start = wait.now;
		CHECK_INT(wait_poll(&wait), 0);
		CHECK(wait.now - start >= 200000);
		if (wait.now - start < best)
			best = wait.now - start;
	}
	CHECK(best < 900000);
	wait_close(&wait);
}

TEST("a deadline that has passed, or is negative, does not wait")
{
	struct wait wait;
	int64_t start = wait_clock();

	wait_open(&wait);
	wait_begin(&wait);
	wait_until(&wait, wait.now - 1);
	CHECK_INT(wait_poll(&wait), 0);
	wait_begin(&wait);
	wait_until(&wait, INT64_MIN);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK(wait.now - start < INT64_C(1000) * MS);
	wait_close(&wait);
}

TEST("the time since the start of the round counts towards its deadline")
{
	struct wait wait;
	int64_t start;

	wait_open(&wait);
	wait_begin(&wait);
	start = wait.now;
	wait_until(&wait, start + 30 * MS);
	usleep(30000);
	int64_t before = wait_clock();
	CHECK_INT(wait_poll(&wait), 0);
	CHECK(wait.now - before < 25 * MS);
	wait_close(&wait);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

TEST("a signal ends the wait without an error and with nothing ready")
{
	struct sigaction action = { .sa_handler = ignore_signal }, old;
	struct itimerval timer = { .it_value = { 0, 20000 } };
	int fds[2], index;
	struct wait wait;

	CHECK_INT(pipe(fds), 0);
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(sigaction(SIGALRM, &action, &old), 0);
	wait_open(&wait);
	wait_begin(&wait);
	index = wait_add(&wait, fds[0], 0);
	wait.fds[0].revents = POLLIN;	/* what must not be left over */
	wait_until(&wait, wait.now + INT64_C(10000) * MS);
	CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK_INT(wait_ready(&wait, index), 0);
	CHECK(wait.now < wait.deadline);
	sigaction(SIGALRM, &old, NULL);
	wait_close(&wait);
	close(fds[0]);
	close(fds[1]);
}

TEST("a descriptor that is not open is told as POLLNVAL, not as an error")
{
	struct wait wait;
	int fd = dup(0), index;

	CHECK(fd >= 0);
	close(fd);
	wait_open(&wait);
	wait_begin(&wait);
	index = wait_add(&wait, fd, POLLIN);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK_INT(wait_ready(&wait, index), POLLNVAL);
	wait_close(&wait);
}

TEST("no memory for a descriptor: WAIT_NONE, and the round ends after 10 ms to ask again")
{
	struct wait wait;
	int64_t start;

	wait_open(&wait);
	wait_begin(&wait);
	start = wait.now;
	realloc_fails = true;
	CHECK_INT(wait_add(&wait, 0, POLLIN), WAIT_NONE);
	realloc_fails = false;
	CHECK(wait.deadline == start + 10 * MS);
	CHECK_INT(wait.len, 0);
	CHECK_INT(wait_poll(&wait), 0);
	CHECK(wait.now >= start + 10 * MS);
	wait_begin(&wait);
	CHECK_INT(wait_add(&wait, 0, POLLIN), 0);
	/* A deadline that is earlier stays. */
	wait_until(&wait, wait.now + 1);
	wait.len = wait.size;
	realloc_fails = true;
	CHECK_INT(wait_add(&wait, 0, POLLIN), WAIT_NONE);
	realloc_fails = false;
	CHECK(wait.deadline == wait.now + 1);
	CHECK(wait.fds != NULL);
	wait_close(&wait);
}

TEST("more descriptors than may be polled is an error, with nothing ready")
{
	struct wait wait;
	int index = 0;

	/* poll refuses more than RLIMIT_NOFILE (poll(2)). */
	long limit = sysconf(_SC_OPEN_MAX);

	if (limit < 0 || limit > 1000000)
		SKIP("the limit of open files is too high to go over");
	wait_open(&wait);
	wait_begin(&wait);
	for (long i = 0; i <= limit; i++)
		index = wait_add(&wait, 0, POLLIN);
	wait.fds[0].revents = POLLIN;
	CHECK_INT(index, limit);
	CHECK_INT(wait_poll(&wait), -EINVAL);
	CHECK_INT(wait_ready(&wait, 0), 0);
	wait_close(&wait);
}

TEST("only the largest round so far allocates")
{
	struct wait wait;

	wait_open(&wait);
	for (int round = 0; round < 3; round++) {
		realloc_calls = 0;
		wait_begin(&wait);
		for (int i = 0; i < 5000; i++)
			CHECK_INT(wait_add(&wait, 0, POLLIN), i);
		if (round == 0)
			CHECK(realloc_calls > 0 && realloc_calls < 12);
		else
			CHECK_INT(realloc_calls, 0);
		for (int i = 0; i < 5000; i++)
			CHECK_INT(wait.fds[i].fd, 0);
	}
	wait_close(&wait);
}

TEST_MAIN()
