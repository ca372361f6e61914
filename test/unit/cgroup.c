/* needs: cgroup_v1.c cgroup_v2.c buf.c */
/* cgroup.c - limits and figures of real control groups on the machine that the tests run on
 *
 * What a host has no cgroups or no rights for is skipped. Children that enter a group are reaped
 * before a test ends. */
#include "../../cgroup.c"
#include "../../cgroup_files.c"

#include <ftw.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

#include "test.h"

#define MB ((size_t)1 << 20)

static const struct cgroup_limits roomy = { .mem_kb = 512 << 10, .procs = 64 };

struct host {
	struct cgroup *cgroup;
	struct cgroup_facts facts;
};

static struct host host_open(uint64_t mem_max_kb)
{
	const struct cgroup_config config = { .mem_max_kb = mem_max_kb };
	struct host host;

	CHECK_INT(cgroup_open(&host.cgroup, &config, &host.facts), 0);
	/* The group that it was tried by is the first one's: here every group is a new one. */
	cgroup_group_close(host.cgroup->probed);
	host.cgroup->probed = NULL;
	return host;
}

static int place_find(struct cgroup_place *place, const char *controller)
{
	struct cgroup_texts texts;
	int result = cgroup_texts_read(&texts);

	if (result == 0)
		result = cgroup_place_find(&texts, place, controller);
	cgroup_texts_free(&texts);
	return result;
}

static struct cgroup_group *group_open(struct host *host, const struct cgroup_limits *limits)
{
	struct cgroup_group *group = NULL;

	CHECK_INT(cgroup_group_open(host->cgroup, &group), 0);
	CHECK_INT(cgroup_begin(group, limits), 0);
	return group;
}

static int64_t cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void burn_ms(int64_t ms)
{
	while (cpu_ns() < ms * 1000000)
		continue;
}

static void touch(size_t bytes)
{
	char *memory =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(99);
	for (size_t i = 0; i < bytes; i += 4096)
		((volatile char *)memory)[i] = 1;
}

static pid_t enter(const struct cgroup_group *group)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);	/* not even a broken test leaves one behind */
		if (cgroup_enter(group) < 0)
			_exit(98);
	}
	return pid;
}

static int reap(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

static int hog(const struct cgroup_group *group, size_t bytes)
{
	pid_t pid = enter(group);

	if (pid == 0) {
		touch(bytes);
		_exit(0);
	}
	return reap(pid);
}

static int burner(const struct cgroup_group *group, int64_t ms)
{
	pid_t pid = enter(group);

	if (pid == 0) {
		burn_ms(ms);
		_exit(0);
	}
	return reap(pid);
}

/* v1's counter lags. */
static struct cgroup_usage final(struct cgroup_group *group, bool killed)
{
	struct cgroup_usage usage;

	CHECK_INT(cgroup_read(group, &usage, true), 0);
	for (int i = 0; i < 50 && killed && usage.oom_kills == 0; i++) {
		cgroup_pause_ms(1);
		CHECK_INT(cgroup_read(group, &usage, true), 0);
	}
	return usage;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool lives(pid_t pid)
{
	uint64_t start = start_time(pid);

	return start != 0 && start != UINT64_MAX;
}

/* What all children took that have been reaped, and theirs. */
static uint64_t reaped_cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
	    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static size_t counted;
static pid_t makers[16];	/* the launchers that this test started; other programs' groups come and go */
static size_t makers_len;

static int count_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	const char *maker = strstr(path, "/" CGROUP_BASE "-");
	pid_t pid = maker ? atoi(maker + sizeof("/" CGROUP_BASE)) : 0;
	bool ours = pid == getpid();

	(void)stat, (void)where;
	for (size_t i = 0; i < makers_len; i++)
		ours |= pid == makers[i];
	counted += type == FTW_D && ours;
	return 0;
}

static size_t count_groups(void)
{
	counted = 0;
	nftw("/sys/fs/cgroup", count_one, 16, FTW_PHYS);
	return counted;
}

/* A group that cannot be removed at once is removed by a later sweep. */
static size_t count_settled(struct cgroup *cgroup)
{
	for (int i = 0; i < 500 && cgroup_sweep(cgroup); i++)
		cgroup_pause_ms(10);
	return count_groups();
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TEST("what the host gives is found, and what it lacks is said")
{
	static const char *const kinds[] = { "none", "v1", "v2" };
	struct host host = host_open(0);
	const struct cgroup_facts *facts = &host.facts;

	printf("# %s%s: memory %d (%s), swap %d (%s), pids %d (%s), cpu %d (%s), peak %d (%s), "
	       "oom_count %d, kill %d\n",
	    kinds[facts->kind], facts->hybrid ? " hybrid" : "", facts->memory, facts->memory_why,
	    facts->swap, facts->swap_why, facts->pids, facts->pids_why, facts->cpu, facts->cpu_why,
	    facts->peak, facts->peak_why, facts->oom_count, facts->kill);
	CHECK(facts->memory || facts->memory_why[0]);
	CHECK(facts->pids || facts->pids_why[0]);
	CHECK(facts->cpu || facts->cpu_why[0]);
	CHECK(facts->kind == CGROUP_NONE ? !facts->memory && !facts->cpu
					 : facts->memory || facts->cpu);
	CHECK(facts->kind == CGROUP_V2 || !facts->kill);
	cgroup_close(host.cgroup);
}

TEST("without cgroups a group does nothing, and every call works")
{
	static const struct cgroup_config config = { .disabled = true };
	struct cgroup_facts facts;
	struct cgroup *cgroup;
	struct cgroup_group *group;
	struct cgroup_usage usage;

	CHECK_INT(cgroup_open(&cgroup, &config, &facts), 0);
	CHECK_INT(facts.kind, CGROUP_NONE);
	CHECK(facts.memory_why[0] && facts.cpu_why[0] && facts.pids_why[0]);
	CHECK_INT(cgroup_group_open(cgroup, &group), 0);
	CHECK_INT(cgroup_begin(group, &roomy), 0);
	CHECK_INT(cgroup_enter(group), 0);
	CHECK_INT(cgroup_attach(group, getpid()), 0);
	CHECK_INT(cgroup_read(group, &usage, true), 0);
	CHECK_INT(usage.cpu_ns, 0);
	CHECK_INT(cgroup_kill(group), -ENOSYS);
	CHECK_INT(cgroup_oom_fd(group), -1);
	CHECK(cgroup_reusable(group));
	cgroup_group_close(group);
	CHECK_INT(cgroup_sweep(cgroup), 0);
	cgroup_close(cgroup);
	cgroup_close(NULL);
	cgroup_group_close(NULL);
}

TEST("a program that takes more memory than its limit is killed, and the kill is its own")
{
	static const struct cgroup_limits limits = { .mem_kb = 32 << 10, .procs = 8 };
	struct host host = host_open(0);

	for (int notified = 1; notified >= 0 && host.facts.memory; notified--) {
		struct cgroup_group *group = group_open(&host, &limits);
		int status;

		if (!notified)
			cgroup_close_fd(&group->oom_event);	/* as on a kernel without */
		status = hog(group, 128 * MB);
		struct cgroup_usage usage = final(group, true);

		CHECK(was_killed(status));
		CHECK(usage.oom_kills >= 1);	/* v2: once alone, once with its group */
		CHECK(!usage.host_oom);
		CHECK(usage.peak_kb > (31 << 10) && usage.peak_kb <= 32 << 10);
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.memory)
		SKIP("no memory controller");
}

TEST("a kill for the limit of all runs together is told apart")
{
	struct host host = host_open(64 << 10);

	for (int notified = 1; notified >= 0 && host.facts.memory; notified--) {
		struct cgroup_group *group = group_open(&host, &roomy),
				    *other = group_open(&host, &roomy);
		int status;

		if (!notified)
			cgroup_close_fd(&group->oom_event);	/* as on a kernel without */
		status = hog(group, 256 * MB);
		struct cgroup_usage usage = final(group, true), bystander = final(other, false);

		CHECK(was_killed(status));
		CHECK(usage.oom_kills >= 1);
		CHECK(usage.host_oom);
		CHECK_INT(bystander.oom_kills, 0);
		CHECK(!bystander.host_oom);
		cgroup_group_close(group);
		cgroup_group_close(other);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.memory)
		SKIP("no memory controller");
}

static size_t pages_read;

static int read_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	static char block[1 << 16];
	int fd = type == FTW_F && stat->st_size > 1 << 18 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n;

	(void)where;
	while (fd >= 0 && pages_read < 48 * MB && (n = read(fd, block, sizeof(block))) > 0)
		pages_read += (size_t)n;
	if (fd >= 0)
		close(fd);
	return pages_read >= 48 * MB;
}

/* Fills the group with pages that can be taken back at its limit: of a file that is written;
 * where that would stay in memory, of files that nobody has read since the machine was started. */
static int fill_page_cache(void)
{
	char name[] = "/var/tmp/opensandbox-test-XXXXXX", *block = calloc(1, MB);
	struct statfs stat;
	int file = mkstemp(name), result = 0;

	if (!block || file < 0 || fstatfs(file, &stat) < 0)
		return -1;
	unlink(name);
	if (stat.f_type == TMPFS_MAGIC || stat.f_type == OVERLAYFS_SUPER_MAGIC)
		nftw("/usr/lib", read_one, 16, FTW_PHYS);
	else
		for (size_t i = 0; i < 48 && result == 0; i++)
			result = write(file, block, MB) == (ssize_t)MB ? fsync(file) : -1;
	close(file);
	free(block);
	return result;
}

/* Whether a group has met its own limit, reclaimed memory or not. */
static bool limit_met(const struct cgroup_group *group)
{
	char text[TEXT_MAX];

	if (group->cgroup->kind == CGROUP_V1)
		return group->sampled >= group->mem_limit - MB;
	return text_pread(group->files[MEM_EVENTS], text, sizeof(text)) > 0 &&
	    cgroup_field(text, "max") > 0;
}

TEST("a kill for the limit of all is told apart also after the run has met its own limit and lived")
{
	static const struct cgroup_limits limits = { .mem_kb = 32 << 10, .procs = 8 };
	struct host host = host_open(96 << 10);
	struct cgroup_usage before = { 0 }, usage = { 0 };
	bool met = false;
	int status = 0;

	if (host.facts.memory) {
		struct cgroup_group *group = group_open(&host, &limits),
				    *other = group_open(&host, &roomy);
		pid_t pid = enter(group), greedy;

		if (pid == 0) {
			if (fill_page_cache() < 0)
				_exit(97);
			touch(24 * MB);
			/* The kernel is to take this one, though the other has more. */
			cgroup_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
			kill(getpid(), SIGSTOP);
			touch(2 * MB);
			pause();
		}
		waitpid(pid, &status, WUNTRACED);
		CHECK(WIFSTOPPED(status));
		before = final(group, false);
		met = limit_met(group);
		greedy = enter(other);
		if (greedy == 0) {
			kill(pid, SIGCONT);
			touch(256 * MB);
			_exit(0);
		}
		status = reap(greedy);
		usage = final(group, true);
		kill(pid, SIGKILL);
		reap(pid);
		cgroup_group_close(group);
		cgroup_group_close(other);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.memory)
		SKIP("no memory controller");
	CHECK(met);
	CHECK_INT(before.oom_kills, 0);
	if (usage.oom_kills == 0)
		SKIP("the kernel killed the other one");
	CHECK(usage.host_oom);
}

TEST("the OOM killer's visit is told at once where the kernel leaves the rest alive")
{
	static const struct cgroup_limits limits = { .mem_kb = 32 << 10, .procs = 8 };
	struct host host = host_open(0);
	bool notified = false;

	if (host.facts.memory) {
		struct cgroup_group *group = group_open(&host, &limits);
		struct pollfd event = { .fd = cgroup_oom_fd(group), .events = POLLIN };
		pid_t pid = enter(group);

		if (pid == 0) {
			pid_t child = fork();

			if (child == 0)
				touch(128 * MB);
			reap(child);
			pause();
		}
		notified = event.fd >= 0;
		if (notified) {
			CHECK_INT(poll(&event, 1, 10000), 1);
			CHECK_INT(final(group, true).oom_kills, 1);
			CHECK_INT(poll(&event, 1, 0), 0);
			CHECK(lives(pid));
			kill(pid, SIGKILL);
		}
		CHECK(was_killed(reap(pid)));	/* v2: the kernel has */
		CHECK(final(group, true).oom_kills >= 1);
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.memory)
		SKIP("no memory controller");
	CHECK(notified || host.facts.kind == CGROUP_V2);
}

TEST("the peak of memory is the run's, and what is freed is no longer in use")
{
	struct host host = host_open(0);

	if (host.facts.memory && host.facts.peak) {
		struct cgroup_group *group = group_open(&host, &roomy);

		CHECK_INT(hog(group, 100 * MB), 0);
		struct cgroup_usage usage = final(group, false);

		CHECK(usage.peak_kb >= 100 << 10 && usage.peak_kb < 108 << 10);
		CHECK(usage.mem_kb < 2 << 10);
		CHECK_INT(usage.oom_kills, 0);
		CHECK(!usage.host_oom);
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.peak)
		SKIP("the kernel counts no peak");
}

TEST("a second run in the same group has figures of its own")
{
	static const struct cgroup_limits small = { .mem_kb = 32 << 10, .procs = 8 };
	struct host host = host_open(0);
	bool reusable = false;

	if (host.facts.memory) {
		struct cgroup_group *group = group_open(&host, &small);

		CHECK_INT(burner(group, 100), 0);
		CHECK(was_killed(hog(group, 64 * MB)));
		CHECK(final(group, true).oom_kills >= 1);
		reusable = cgroup_reusable(group);
		if (reusable) {
			CHECK_INT(cgroup_begin(group, &roomy), 0);
			struct cgroup_usage usage = final(group, false);

			CHECK_INT(usage.cpu_ns, 0);
			CHECK(usage.peak_kb < 256);
			uint64_t reaped = reaped_cpu_ns();

			CHECK_INT(hog(group, 8 * MB), 0);
			reaped = reaped_cpu_ns() - reaped;
			usage = final(group, false);
			CHECK_INT(usage.oom_kills, 0);
			CHECK(!usage.host_oom);
			CHECK(usage.peak_kb >= 7 << 10 && usage.peak_kb < 12 << 10);
			CHECK(usage.cpu_ns < reaped + 50000000);	/* the first: 100 ms */
			/* The limit is the second's: what killed the first run fits. */
			CHECK_INT(hog(group, 64 * MB), 0);
			/* And down again. */
			CHECK_INT(cgroup_begin(group, &small), 0);
			CHECK(was_killed(hog(group, 64 * MB)));
			CHECK(!final(group, true).host_oom);
		}
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.memory)
		SKIP("no memory controller");
	if (!reusable)
		SKIP("the peak cannot be reset: such a group is not used again");
}

TEST("a run whose limit cannot be set has none of an earlier run's figures")
{
	struct host host = host_open(0);
	struct cgroup_usage usage;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int descriptor = MEM_LIMIT; descriptor <= PIDS_LIMIT; descriptor += PIDS_LIMIT - MEM_LIMIT) {
		const struct cgroup_limits other = { .mem_kb = 256 << 10, .procs = 32 };
		struct cgroup_group *group = host.facts.cpu ? group_open(&host, &roomy) : NULL;

		if (!group || group->files[descriptor] < 0) {
			cgroup_group_close(group);
			continue;
		}
		CHECK_INT(probe_enter(group), 0);
		CHECK_INT(cgroup_read(group, &usage, true), 0);
		CHECK(usage.cpu_ns > 0);
		uint64_t first_ns = usage.cpu_ns;
		CHECK_INT(dup3(null, group->files[descriptor], O_CLOEXEC), group->files[descriptor]);
		CHECK(cgroup_begin(group, &other) < 0);
		CHECK_INT(cgroup_read(group, &usage, true), 0);
		CHECK(usage.cpu_ns < first_ns);
		cgroup_group_close(group);
	}
	close(null);
	cgroup_close(host.cgroup);
}

TEST("files that stay charged to a group take nothing from its next run, up to 1 MB")
{
	static const struct cgroup_limits limits = { .mem_kb = 16 << 10, .procs = 8 };
	struct host host = host_open(0);
	int file = memfd_create("left", MFD_CLOEXEC);
	char *block = calloc(1, MB);

	if (host.facts.memory) {
		struct cgroup_group *group = group_open(&host, &limits);
		struct cgroup_usage usage;
		pid_t pid = enter(group);

		if (pid == 0)
			_exit(write(file, block, MB / 2) != (ssize_t)(MB / 2));
		CHECK_INT(reap(pid), 0);
		CHECK(final(group, false).mem_kb >= 512);
		CHECK(cgroup_reusable(group));
		CHECK_INT(cgroup_begin(group, &limits), 0);
		CHECK_INT(hog(group, 15 * MB), 0);
		usage = final(group, false);
		CHECK(usage.peak_kb > 14 << 10 && usage.peak_kb <= 16 << 10);
		CHECK(was_killed(hog(group, 17 * MB)));
		/* What is freed between makes no figure wrap. */
		CHECK_INT(cgroup_begin(group, &limits), 0);
		CHECK_INT(ftruncate(file, 0), 0);
		CHECK(final(group, false).mem_kb < 16 << 10);
		pid = enter(group);
		if (pid == 0)
			_exit(write(file, block, MB) != (ssize_t)MB);
		CHECK_INT(reap(pid), 0);
		CHECK(!cgroup_reusable(group));
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	close(file);
	free(block);
	if (!host.facts.memory)
		SKIP("no memory controller");
}

TEST("a group that rests for a session is taken for a run that what is left in it is little for")
{
	static const struct cgroup_limits limits = { .mem_kb = 64 << 10, .procs = 8 };
	struct host host = host_open(0);
	int file = memfd_create("left", MFD_CLOEXEC);
	char *block = calloc(1, 3 * MB);

	if (host.facts.memory) {
		struct cgroup_group *group = group_open(&host, &limits), *shelf = NULL, *taken;
		pid_t pid = enter(group);

		if (pid == 0)
			_exit(pwrite(file, block, 3 * MB, 0) != (ssize_t)(3 * MB));
		CHECK_INT(reap(pid), 0);
		CHECK(cgroup_rest(&shelf, group, false));
		CHECK(!cgroup_take(&shelf, 16 << 10));
		CHECK(shelf == group);
		taken = cgroup_take(&shelf, limits.mem_kb);
		CHECK(taken == group && !shelf);
		if (taken) {
			CHECK_INT(cgroup_begin(group, &limits), 0);
			CHECK_INT(hog(group, 16 * MB), 0);
			struct cgroup_usage usage = final(group, false);

			CHECK(usage.sampled || (usage.peak_kb >= 15 << 10 && usage.peak_kb < 20 << 10));
			CHECK(was_killed(hog(group, 67 * MB)));
			CHECK(!final(group, true).host_oom);
			/* Its files gone, it is no group to be kept for one owner, unless it is that one's already. */
			CHECK_INT(ftruncate(file, 0), 0);
			CHECK(!cgroup_rest(&shelf, group, false));
			pid = enter(group);
			if (pid == 0)
				_exit(pwrite(file, block, 4096, 0) != 4096);
			CHECK_INT(reap(pid), 0);
			CHECK(cgroup_rest(&shelf, group, true));
		}
		cgroup_shelf_close(&shelf);
		CHECK(!shelf);
	}
	cgroup_close(host.cgroup);
	close(file);
	free(block);
	if (!host.facts.memory)
		SKIP("no memory controller");
}

TEST("a limit greater than any memory is one that never stops anybody")
{
	static const struct cgroup_limits limits = { .mem_kb = UINT64_MAX, .procs = UINT64_MAX };
	struct host host = host_open(UINT64_MAX);
	struct cgroup_group *group = group_open(&host, &limits);

	CHECK_INT(hog(group, 32 * MB), 0);
	CHECK_INT(final(group, false).oom_kills, 0);
	cgroup_group_close(group);
	cgroup_close(host.cgroup);
}

TEST("CPU time is that of the whole tree, also of a chain of short-lived children")
{
	struct host host = host_open(0);

	if (host.facts.cpu) {
		struct cgroup_group *group = group_open(&host, &roomy);
		struct cgroup_usage usage, cheap;
		uint64_t before = reaped_cpu_ns(), reaped;
		pid_t pid = enter(group);

		if (pid == 0) {
			for (int i = 0; i < 25; i++) {
				pid_t child = fork();

				if (child == 0) {
					burn_ms(4);
					_exit(0);
				}
				reap(child);
			}
			burn_ms(100);
			_exit(0);
		}
		CHECK_INT(reap(pid), 0);
		CHECK_INT(cgroup_read(group, &cheap, false), 0);
		usage = final(group, false);
		reaped = reaped_cpu_ns() - before;
		printf("# %.1f ms reaped, %.1f ms in the group (user %.1f, system %.1f)\n",
		    (double)reaped / 1e6, (double)usage.cpu_ns / 1e6, (double)usage.user_ns / 1e6,
		    (double)usage.system_ns / 1e6);
		CHECK(usage.cpu_ns >= 195000000);
		/* The end of an exit is not reaped; emulated processors take long for it. */
		CHECK(usage.cpu_ns > reaped / 20 * 19 && usage.cpu_ns < reaped / 4 * 5);
		CHECK_INT(usage.user_ns + usage.system_ns, usage.cpu_ns);
		CHECK(cheap.cpu_ns >= 195000000 && cheap.cpu_ns <= usage.cpu_ns);
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
	if (!host.facts.cpu)
		SKIP("CPU time is not accounted");
}

TEST("a fork bomb gets no more processes than its limit, beside one that is not hurt")
{
	static const struct cgroup_limits limits = { .mem_kb = 64 << 10, .procs = 10 };
	struct host host = host_open(0);

	if (host.facts.pids) {
		struct cgroup_group *group = group_open(&host, &limits),
				    *other = group_open(&host, &limits);
		pid_t pid = enter(group);

		if (pid == 0) {
			int n = 1;

			for (; n < 100; n++) {
				pid_t child = fork();

				if (child < 0)
					break;
				if (child == 0)
					pause();
			}
			n += errno == EAGAIN ? 0 : 50;
			_exit(n);
		}
		int status = reap(pid);

		CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 10);
		CHECK(!cgroup_reusable(group));
		CHECK_INT(
		    cgroup_begin(group, &(struct cgroup_limits){ .mem_kb = 1024, .procs = 8 }),
		    -EBUSY);
		CHECK_INT(burner(other, 1), 0);
		CHECK_INT(cgroup_kill(group), host.facts.kill ? 0 : -ENOSYS);
		/* Where the kernel cannot kill a group, closing kills what holds it. */
		cgroup_group_close(group);
		cgroup_group_close(other);
	}
	int64_t before = cgroup_clock();

	cgroup_close(host.cgroup);
	CHECK(cgroup_clock() - before < 1500000000);
	if (!host.facts.pids)
		SKIP("no pids controller");
}

TEST("a group that is still busy is removed later")
{
	struct host host = host_open(0);

	if (host.facts.kind != CGROUP_NONE) {
		struct cgroup_group *group = group_open(&host, &roomy);
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		CHECK_INT(cgroup_attach(group, pid), 0);
		CHECK(!cgroup_reusable(group));
		cgroup_group_close(group);
		CHECK_INT(cgroup_sweep(host.cgroup), 1);
		kill(pid, SIGKILL);
		reap(pid);
		for (int i = 0; i < 100 && cgroup_sweep(host.cgroup); i++)
			cgroup_pause_ms(1);
		CHECK_INT(cgroup_sweep(host.cgroup), 0);
	}
	cgroup_close(host.cgroup);
	if (host.facts.kind == CGROUP_NONE)
		SKIP("no cgroups");
}

/* A launcher in a process of its own: says when its run has begun, then waits to be killed or
 * told to end. */
struct launcher {
	pid_t pid, run;
	int to, from;
};

static struct launcher launcher_start(void)
{
	int to[2], from[2];
	struct launcher launcher;
	char byte;

	signal(SIGPIPE, SIG_IGN);
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		abort();
	launcher.pid = fork();
	if (launcher.pid == 0) {
		struct host host = host_open(0);
		struct cgroup_group *group = group_open(&host, &roomy);
		pid_t run;

		alarm(60);
		close(to[1]);
		run = enter(group);
		if (run == 0) {
			close(to[0]);
			pause();
			_exit(0);
		}
		cgroup_pause_ms(20);
		if (write(from[1], &run, sizeof(run)) != sizeof(run) || read(to[0], &byte, 1) < 0)
			_exit(1);
		/* Told to end: its group must have served all the time. */
		bool served =
		    lives(run) && burner(group, 20) == 0 && final(group, false).cpu_ns >= 15000000;

		kill(run, SIGKILL);
		reap(run);
		cgroup_close(host.cgroup);
		_exit(host.facts.cpu && !served ? 2 : 0);
	}
	if (makers_len < sizeof(makers) / sizeof(makers[0]))
		makers[makers_len++] = launcher.pid;
	close(to[0]);
	close(from[1]);
	launcher.to = to[1];
	launcher.from = from[0];
	if (read(launcher.from, &launcher.run, sizeof(launcher.run)) != sizeof(launcher.run))
		launcher.run = -1;
	return launcher;
}

static int launcher_end(struct launcher *launcher)
{
	/* A byte, not the end of the pipe: others that were forked meanwhile hold it open. */
	if (write(launcher->to, "", 1) != 1)
		kill(launcher->pid, SIGKILL);
	close(launcher->to);
	close(launcher->from);
	return reap(launcher->pid);
}

TEST("what a crashed launcher left is killed and removed at the next start")
{
	size_t before = count_groups();
	struct launcher launcher = launcher_start();
	bool left = count_groups() > before;

	CHECK(lives(launcher.run));
	kill(launcher.pid, SIGKILL);
	launcher_end(&launcher);
	struct host host = host_open(0);

	if (host.facts.kind != CGROUP_NONE) {
		CHECK(left);
		for (int i = 0; i < 100 && lives(launcher.run); i++)
			cgroup_pause_ms(1);
		CHECK(!lives(launcher.run));
	} else {
		kill(launcher.run, SIGKILL);
	}
	cgroup_close(host.cgroup);
	CHECK_INT(count_groups(), before);
	if (host.facts.kind == CGROUP_NONE)
		SKIP("no cgroups");
}

TEST("a launcher that is dead but not yet reaped has crashed all the same")
{
	size_t before = count_groups();
	struct launcher launcher = launcher_start();

	kill(launcher.pid, SIGKILL);
	cgroup_pause_ms(50);
	struct host host = host_open(0);

	for (int i = 0; i < 100 && host.facts.kind != CGROUP_NONE && lives(launcher.run); i++)
		cgroup_pause_ms(1);
	CHECK(host.facts.kind == CGROUP_NONE || !lives(launcher.run));
	cgroup_close(host.cgroup);
	kill(launcher.run, SIGKILL);
	launcher_end(&launcher);
	CHECK_INT(count_groups(), before);
}

TEST("launchers side by side leave each other's groups alone, and the last leaves nothing")
{
	size_t before = count_groups();
	struct launcher first = launcher_start(), second = launcher_start();
	struct host host = host_open(0);

	CHECK(lives(first.run) && lives(second.run));
	CHECK_INT(launcher_end(&first), 0);
	cgroup_close(host.cgroup);
	CHECK(lives(second.run));
	CHECK_INT(launcher_end(&second), 0);
	CHECK_INT(count_groups(), before);
}

TEST("a process that opens twice has two parents that do not meet")
{
	size_t before = count_groups();
	struct host one = host_open(0), two = host_open(0);
	struct cgroup_group *group = group_open(&one, &roomy);

	cgroup_close(two.cgroup);
	CHECK_INT(burner(group, 1), 0);
	cgroup_close(one.cgroup);	/* and the group with it */
	if (one.facts.kind == CGROUP_NONE)
		free(group);
	CHECK_INT(count_groups(), before);
}

TEST("a thousand groups leave nothing behind")
{
	size_t groups = count_groups(), descriptors = count_descriptors();
	struct host host = host_open(0);
	size_t open = count_descriptors();

	for (int i = 0; i < 1000; i++) {
		struct cgroup_group *group = NULL;

		if (cgroup_group_open(host.cgroup, &group) < 0)
			break;
		CHECK_INT(cgroup_begin(group, &roomy), 0);
		if (i % 20 == 0)
			CHECK_INT(burner(group, 0), 0);
		cgroup_group_close(group);
		if (i == 999)
			CHECK_INT(count_descriptors(), open);
	}
	for (int i = 0; i < 100 && cgroup_sweep(host.cgroup); i++)
		cgroup_pause_ms(1);
	CHECK_INT(cgroup_sweep(host.cgroup), 0);
	cgroup_close(host.cgroup);
	CHECK_INT(count_groups(), groups);
	CHECK_INT(count_descriptors(), descriptors);
}

TEST("when descriptors run out a group fails to open and leaves nothing")
{
	struct host host = host_open(0);
	size_t before = count_settled(host.cgroup);
	struct cgroup_group *group;
	struct rlimit limit, low;
	int spare[256], n = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	low = (struct rlimit){ .rlim_cur = 128, .rlim_max = limit.rlim_max };
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 256 && (spare[n] = open("/", O_PATH | O_CLOEXEC)) >= 0)
		n++;
	for (int left = 0; n > 0 && left < 8; left++) {
		close(spare[--n]);
		if (cgroup_group_open(host.cgroup, &group) == 0) {
			CHECK_INT(host.facts.kind, CGROUP_NONE);
			cgroup_group_close(group);
		}
	}
	while (n)
		close(spare[--n]);
	setrlimit(RLIMIT_NOFILE, &limit);
	CHECK_INT(count_settled(host.cgroup), before);
	CHECK_INT(cgroup_group_open(host.cgroup, &group), 0);
	cgroup_group_close(group);
	cgroup_close(host.cgroup);
}

/* Runs in a child with a mount namespace of its own, with every cgroup mount read-only. */
static int open_read_only(enum cgroup_kind kind)
{
	struct cgroup_place place;
	struct host host;
	bool remounted = false;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	for (int i = -1; i < CGROUP_CONTROLLERS; i++) {
		if (place_find(&place, i < 0 ? NULL : cgroup_controller_names[i]) < 0)
			continue;
		if (mount(NULL, place.point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID,
			NULL) == 0)
			remounted = mkdir(place.point, 0755) < 0;
	}
	host = host_open(0);
	remounted = remounted && host.facts.kind == kind;
	cgroup_close(host.cgroup);
	return remounted && test_failures == 0 ? 0 : 1;
}

TEST("a read-only cgroup mount is made writable in the launcher's own mount namespace")
{
	struct host host = host_open(0);
	int status = 0;
	pid_t pid;

	cgroup_close(host.cgroup);
	if (host.facts.kind == CGROUP_NONE)
		SKIP("no cgroups");
	pid = fork();
	if (pid == 0)
		_exit(open_read_only(host.facts.kind));
	status = reap(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no mount namespace");
	CHECK_INT(status, 0);
}

/* v2: in a group `name` of its own below the mount, as a unit or a container has it. */
static int open_in_group(const char *point, const char *name, bool container)
{
	char path[PATH_MAX + 64], leaf[PATH_MAX + 96], text[512];
	struct host host;
	int dir, result = 0;
	pid_t stranger = -1;

	snprintf(path, sizeof(path), "%s/%s", point, name);
	snprintf(leaf, sizeof(leaf), "%s/" CGROUP_LEAF, path);
	if (mkdir(path, 0755) < 0 || (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 10;
	if (cgroup_write_at(dir, "cgroup.procs", "0") < 0)
		return 11;
	if (container) {
		stranger = fork();
		if (stranger == 0) {
			execl("/bin/sleep", "sleep", "60", (char *)NULL);
			_exit(1);
		}
		cgroup_pause_ms(300);
		/* A mount from outside would show its root as "/..". */
		if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    umount2(point, MNT_DETACH) < 0 ||
		    mount("cgroup2", point, "cgroup2", 0, NULL) < 0)
			return 12;
		snprintf(leaf, sizeof(leaf), "%s/" CGROUP_LEAF, point);
	}
	host = host_open(0);
	result = result == 0 && host.facts.kind != CGROUP_V2 ? 13 : result;
	result = result == 0 && !host.facts.memory ? 14 : result;
	result = result == 0 && access(leaf, F_OK) < 0 ? 15 : result;
	result = result == 0 && text_read(dir, "cgroup.procs", text, sizeof(text)) != 0
	    ? 16
	    : result;
	if (result == 0) {
		struct host second = host_open(0);	/* finds it split, and adopts it */
		struct cgroup_group *group = group_open(&second, &roomy);

		cgroup_close(host.cgroup);
		result = burner(group, 5) == 0 && final(group, false).cpu_ns > 0 ? 0 : 17;
		host = second;
	}
	cgroup_close(host.cgroup);
	result = result == 0 && access(leaf, F_OK) == 0 ? 18 : result;
	if (result == 0 &&
	    (text_read(dir, "cgroup.subtree_control", text, sizeof(text)) < 0 ||
		text[0] > ' '))
		result = 19;
	if (stranger > 0) {
		kill(stranger, SIGKILL);
		reap(stranger);
	}
	return result ? result : test_failures != 0;
}

static void run_in_group(bool container)
{
	struct host host = host_open(0);
	struct cgroup_place place;
	char path[PATH_MAX + 64];
	int status;
	pid_t pid;

	cgroup_close(host.cgroup);
	if (host.facts.kind != CGROUP_V2 || !host.facts.memory)
		SKIP("cgroup v2 is not in use here");
	CHECK_INT(place_find(&place, NULL), 0);
	snprintf(path, sizeof(path), "%s/test-%d", place.point, (int)getpid());
	pid = fork();
	if (pid == 0)
		_exit(open_in_group(place.point, strrchr(path, '/') + 1, container));
	status = reap(pid);
	rmdir(path);
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 10 || WEXITSTATUS(status) == 11))
		SKIP("no group can be made at the mount's root");
	CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

TEST("a group that holds nothing but ours is split into a leaf, and mended at the end")
{
	run_in_group(false);
}

TEST("in a container its whole group is split into a leaf, strangers too, and mended at the end")
{
	run_in_group(true);
}

TEST("the name of a launcher's group says whether it is dead")
{
	struct cgroup_hierarchy hierarchy = {
		.home = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), .base = -1
	};
	char name[128];
	bool dead;

	CHECK_INT(cgroup_base_make(&hierarchy), 0);
	CHECK_INT(unlinkat(hierarchy.home, hierarchy.name, AT_REMOVEDIR), 0);
	CHECK(cgroup_is_base(hierarchy.name, &dead) && !dead);
	snprintf(name, sizeof(name), CGROUP_BASE "-%d-1-%llu-0", (int)getpid(), pid_namespace());
	CHECK(cgroup_is_base(name, &dead) && dead);	/* the pid is another's now */
	snprintf(name, sizeof(name), CGROUP_BASE "-2147483647-1-%llu-0", pid_namespace());
	CHECK(cgroup_is_base(name, &dead) && dead);
	/* In another pid namespace it may well be alive. */
	CHECK(cgroup_is_base("opensandbox-2147483647-1-1-0", &dead) && !dead);
	CHECK(!cgroup_is_base("opensandbox.service", &dead));
	CHECK(!cgroup_is_base("opensandbox-launcher", &dead));
	CHECK(!cgroup_is_base("opensandbox-1-1-1", &dead));
	CHECK(!cgroup_is_base("opensandbox-1-1-1-1-1", &dead));
	CHECK(!cgroup_is_base("opensandbox-1-1-1-1x", &dead));
	CHECK(!cgroup_is_base("opensandbox-0-1-1-1", &dead));
	CHECK(!cgroup_is_base("opensandbox-1--1-1-1", &dead));
	CHECK(!cgroup_is_base("", &dead));
	cgroup_close_fd(&hierarchy.base);
	cgroup_close_fd(&hierarchy.home);
}

/* Where the kernel's clock moves by ticks (an emulated machine), a process that ends at once has used nothing: some
 * starts then had limits per process. */
TEST("a process that goes through a group leaves CPU time there, each time")
{
	struct host host = host_open(0);

	for (int i = 0; i < 200 && host.facts.kind != CGROUP_NONE; i++) {
		struct cgroup_group *group = group_open(&host, &roomy);
		struct cgroup_facts facts = { .kind = host.facts.kind };

		CHECK_INT(probe_enter(group), 0);
		probe_facts(&facts, group);
		CHECK(facts.cpu || !host.facts.cpu);
		CHECK(facts.cpu || host.cgroup->kind != CGROUP_V2);
		cgroup_group_close(group);
	}
	cgroup_close(host.cgroup);
}

TEST("a word of a statistics file is found whole, at the beginning of a line")
{
	CHECK_INT(cgroup_field("low 1\noom 2\noom_kill 3\n", "oom"), 2);
	CHECK_INT(cgroup_field("low 1\noom 2\noom_kill 3\n", "oom_kill"), 3);
	CHECK_INT(cgroup_field("low 1\noom 2\n", "kill"), 0);
	CHECK_INT(cgroup_field("", "oom"), 0);
	CHECK_INT(cgroup_field("oom", "oom"), 0);
	CHECK(cgroup_listed("rw,cpu,cpuacct", ",", "cpu"));
	CHECK(!cgroup_listed("rw,cpuacct", ",", "cpu"));
	CHECK(!cgroup_listed("", ",", "cpu"));
	CHECK(cgroup_listed("cpuset cpu io memory\n", " \n", "memory"));
}

TEST_MAIN()
