/* needs: buf.c */
/* trace.c's tests: what its proofs rest on beside the kernel: test/attacks/reuse.bats attacks them in a sandbox */
#include "../../trace.c"

#include "test.h"

static struct trace trace_of(int64_t seconds_from_now)
{
	struct timespec now;

	CHECK(!clock_gettime(CLOCK_REALTIME_COARSE, &now));
	return (struct trace){ .latest = { now.tv_sec + seconds_from_now, now.tv_nsec }, .last_pid = -1 };
}

/* What is changed then could have the time that is known: no difference would be seen. */
TEST("a run that starts within the tick of the last change is no proof")
{
	struct trace late = trace_of(-1), early = trace_of(1), same = trace_of(0);

	CHECK(trace_begin(&late));
	CHECK(!trace_begin(&early));
	CHECK(!trace_clean(&early, 2));
	/* The clock may have moved on since. */
	for (int i = 0; i < 100 && trace_begin(&same); i++)
		same = trace_of(0);
	CHECK(!same.in_time);
}

/* Not a tick may pass between two of these changes, and still each is seen. */
TEST("where times are said to be fine, every change after a look shows")
{
	char path[] = "/dev/shm/opensandbox-test.XXXXXX";
	struct stat before, after;
	int unseen = 0;

	if (!mkdtemp(path))
		SKIP("no /dev/shm to write to");
	bool fine = false;
	for (int i = 0; i < 10 && !fine; i++)
		fine = trace_times_are_fine(AT_FDCWD, path);
	for (int i = 0; i < 10000 && fine; i++) {
		unseen += stat(path, &before) || chmod(path, 0700) || stat(path, &after) || same(&before, &after);
	}
	rmdir(path);
	if (!fine)
		SKIP("times have steps here: Linux before 6.13");
	CHECK_INT(unseen, 0);
}

TEST("times that have steps are not said to be fine")
{
	char path[] = "/proc/self";

	/* Nothing can be changed there. */
	CHECK(!trace_times_are_fine(AT_FDCWD, path));
}

TEST("without the last pid nothing is proved")
{
	struct trace trace = trace_of(-1);

	CHECK(trace_begin(&trace));
	CHECK(!trace_clean(&trace, 2));
}

TEST("times are compared by seconds and nanoseconds")
{
	struct timespec a = { 5, 7 }, b = { 5, 8 }, c = { 6, 0 };

	CHECK(later(&b, &a) && !later(&a, &b) && !later(&a, &a));
	CHECK(later(&c, &b) && !later(&b, &c));
	CHECK(same_time(&a, &a) && !same_time(&a, &b) && !same_time(&b, &c));
}

TEST("a directory that has grown has changed, whatever its times say, and a device whose times have")
{
	struct stat directory = { .st_mode = S_IFDIR, .st_size = 40 }, grown = directory, touched = directory;
	struct stat device = { .st_mode = S_IFCHR }, written = device, read = device, changed = device;

	grown.st_size = 60;
	touched.st_ctim.tv_nsec = 1;
	CHECK(same(&directory, &directory) && !same(&directory, &grown) && !same(&directory, &touched));
	written.st_mtim.tv_sec = 1;
	read.st_atim.tv_sec = 1;
	changed.st_ctim.tv_sec = 1;
	CHECK(same(&device, &device) && !same(&device, &written) && !same(&device, &read) && !same(&device, &changed));
	/* Who looks at a directory leaves a time too: that is no trace. */
	touched = directory;
	touched.st_atim.tv_sec = 1;
	CHECK(same(&directory, &touched));
}

TEST_MAIN()
