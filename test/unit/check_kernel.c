/* needs: limit.c seccomp.c seccomp_table.c buf.c */
#include "../../check_kernel.c"

#include "test.h"

static int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
answer(void *argument)
{
	*(int *)argument = 42;
}

static void
hang(void *argument)
{
	*(int *)argument = getpid();
	for (;;)
		pause();
}

static void
die(void *argument)
{
	(void)argument;
	(void)kill(getpid(), SIGTERM);
	pause();
}

static void
leave_grandchild(void *argument)
{
	if (fork() == 0) {
		usleep(200 * 1000);
		*(int *)argument = 42;
		_exit(0);
	}
}

TEST("a child's answer comes back through shared memory")
{
	int *shared = check_share(sizeof(*shared));

	CHECK_INT(*shared, 0);
	CHECK_INT(check_child(0, answer, shared, 5, NULL), 0);
	CHECK_INT(*shared, 42);
	check_unshare(shared, sizeof(*shared));
}

TEST("a child that hangs is killed and reaped when its time is over")
{
	int *shared = check_share(sizeof(*shared));
	int64_t start = clock_ms();

	CHECK_INT(check_child(0, hang, shared, 1, NULL), -ETIMEDOUT);
	CHECK(clock_ms() - start >= 1000 && clock_ms() - start < 4000);
	CHECK(*shared > 0 && kill(*shared, 0) < 0 && errno == ESRCH);
	check_unshare(shared, sizeof(*shared));
}

TEST("the signal that a child died of is told")
{
	int number = 0;

	CHECK_INT(check_child(0, die, NULL, 5, &number), -EIO);
	CHECK_INT(number, SIGTERM);
}

TEST("what a child has started is waited for as well")
{
	int *shared = check_share(sizeof(*shared));

	CHECK_INT(check_child(0, leave_grandchild, shared, 5, NULL), 0);
	CHECK_INT(*shared, 42);
	check_unshare(shared, sizeof(*shared));
}

TEST("no descriptor is left open by children, also by those that hang")
{
	int before = open("/", O_RDONLY | O_CLOEXEC);

	close(before);
	int *shared = check_share(sizeof(*shared));
	CHECK_INT(check_child(0, hang, shared, 1, NULL), -ETIMEDOUT);
	check_unshare(shared, sizeof(*shared));
	CHECK_INT(check_child(0, die, NULL, 5, NULL), -EIO);
	int after = open("/", O_RDONLY | O_CLOEXEC);
	close(after);
	CHECK_INT(after, before);
}

TEST("what the kernel gives is found, and what was tried is gone")
{
	struct check_kernel kernel;
	char before[64] = "", after[64] = "", host[65], host_after[65];

	CHECK(readlink("/proc/self/ns/mnt", before, sizeof(before) - 1) > 0);
	CHECK_INT(gethostname(host, sizeof(host)), 0);
	check_kernel(&kernel);
	CHECK(readlink("/proc/self/ns/mnt", after, sizeof(after) - 1) > 0);
	CHECK(!strcmp(before, after));
	CHECK_INT(gethostname(host_after, sizeof(host_after)), 0);
	CHECK(!strcmp(host, host_after));
	CHECK_INT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_INT(kernel.no_new_privs, 0);
	CHECK_INT(kernel.rlimits[CHECK_FSIZE], 0);
	CHECK_INT(kernel.rlimits[CHECK_STACK], 0);
	CHECK(kernel.needed_since && !strcmp(kernel.needed_since, "5.3"));
	for (size_t i = 0; i < CHECK_NAMESPACES; i++)
		CHECK(kernel.namespaces[i].error <= 0);
	for (size_t i = 0; i < CHECK_MOUNTS; i++)
		CHECK(kernel.mounts[i].error <= 0 || kernel.mounts[CHECK_TMPFS].error);
}

TEST_MAIN()
