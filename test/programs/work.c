/* work.c - uses up one thing, or ends in one way: what the limit tests run in a sandbox
 *
 *	work WHAT [NUMBER]...
 *
 * Standard output says how far it came; the exit status is 0 for done, 3 for refused by the kernel, 2 for a wrong call. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED = 3, MEGABYTE = 1 << 20, STACK = 65536 };

static const char *const places[] = { "/tmp", "/home/user", "/dev/shm", "/var/tmp" };

static double
cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Says what the kernel refused, and how much it gave before. */
static int
refused(const char *what, long count)
{
	printf("%s: %s after %ld\n", what, strerror(errno), count);
	return REFUSED;
}

static _Noreturn void
spin_for_ever(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

/* ms of CPU time of this process. */
static void
spin(long ms)
{
	double end = cpu_seconds() + (double)ms / 1e3;

	while (cpu_seconds() < end)
		;
}

static void
wait_all(void)
{
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/* --- ends --------------------------------------------------------------------------------------- */

static int
do_kill(long number, long unused)
{
	(void)unused;
	kill(getpid(), (int)number);
	pause();
	return 0;
}

static int
do_segv(long unused, long unused2)
{
	volatile int *nowhere = (volatile int *)(unused + unused2);

	*nowhere = 1;
	return 0;
}

static int
do_abort(long unused, long unused2)
{
	(void)unused;
	(void)unused2;
	abort();
}

/* --- memory: the number is how many MB ----------------------------------------------------------- */

static int
do_malloc(long megabytes, long unused)
{
	(void)unused;
	for (long i = 0; i < megabytes; i++) {
		char *bytes = malloc(MEGABYTE);
		if (!bytes)
			return refused("malloc", i);
		memset(bytes, 1, MEGABYTE);
	}
	return 0;
}

static int
do_mmap(long megabytes, long unused)
{
	size_t len = (size_t)megabytes * MEGABYTE;

	(void)unused;
	char *bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return refused("mmap", 0);
	for (size_t at = 0; at < len; at += 4096)
		bytes[at] = 1;
	return 0;
}

/* As many processes as the second number share the load. */
static int
do_together(long megabytes, long processes)
{
	for (long i = 0; i < processes; i++)
		if (fork() == 0) {
			(void)do_malloc(megabytes / processes, 0);
			pause();
		}
	pause();
	return 0;
}

static int
do_reserve(long megabytes, long unused)
{
	(void)unused;
	void *bytes = mmap(NULL, (size_t)megabytes * MEGABYTE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);
	return bytes == MAP_FAILED ? refused("mmap", 0) : 0;
}

/* A grandchild is taken by the OOM killer, while this process would end well. */
static int
do_child_eats(long megabytes, long unused)
{
	(void)unused;
	if (fork() == 0)
		_exit(do_malloc(megabytes, 0));
	wait_all();
	return 0;
}

static int
do_memfd(long megabytes, long unused)
{
	static char bytes[MEGABYTE];

	(void)unused;
	memset(bytes, 1, sizeof(bytes));
	int fd = (int)syscall(SYS_memfd_create, "work", 0u);
	if (fd < 0)
		return refused("memfd", 0);
	for (long i = 0; i < megabytes; i++)
		if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
			return refused("write", i);
	return 0;
}

/* Kernel memory: full socket buffers. */
static int
do_sockets(long megabytes, long unused)
{
	static char bytes[65536];
	long kilobytes = 0;
	int ends[2];

	(void)unused;
	while (kilobytes < megabytes * 1024) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
			return refused("socketpair", kilobytes);
		ssize_t n;
		while ((n = write(ends[0], bytes, sizeof(bytes))) > 0)
			kilobytes += n >> 10;
	}
	return 0;
}

/* --- CPU ------------------------------------------------------------------------------------------ */

static int
do_spin(long ms, long processes)
{
	for (long i = 1; i < processes; i++)
		if (fork() == 0) {
			if (ms == 0)
				spin_for_ever();
			spin(ms);
			_exit(0);
		}
	if (ms == 0)
		spin_for_ever();
	spin(ms);
	wait_all();
	return 0;
}

static void *
spinner(void *unused)
{
	(void)unused;
	spin_for_ever();
}

static int
do_threads(long threads, long unused)
{
	pthread_t thread;

	(void)unused;
	for (long i = 1; i < threads; i++)
		if ((errno = pthread_create(&thread, NULL, spinner, NULL)))
			return refused("thread", i);
	spin_for_ever();
}

/* Children one after the other, each of so many ms of CPU time, for ever. */
static int
do_chain(long ms, long unused)
{
	(void)unused;
	for (;;) {
		pid_t child = fork();
		if (child < 0)
			return refused("fork", 0);
		if (child == 0) {
			spin(ms);
			_exit(0);
		}
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

/* The same, and nobody waits for any: each forks the next and ends. */
static int
do_orphans(long ms, long unused)
{
	(void)unused;
	if (fork() == 0)
		for (;;) {
			spin(ms);
			pid_t child = fork();
			if (child != 0)
				_exit(0);
		}
	pause();
	return 0;
}

static int
do_nice(long unused, long unused2)
{
	(void)unused;
	(void)unused2;
	if (setpriority(PRIO_PROCESS, 0, 19))
		return refused("setpriority", 0);
	spin_for_ever();
}

static int
do_deaf(long unused, long unused2)
{
	(void)unused;
	(void)unused2;
	for (int number = 1; number < 65; number++)
		signal(number, SIG_IGN);
	spin_for_ever();
}

/* --- processes ------------------------------------------------------------------------------------ */

static int
do_fork_bomb(long unused, long unused2)
{
	(void)unused;
	(void)unused2;
	while (fork() >= -1)
		;
	return 0;
}

/* How many processes there can be at once. */
static int
do_forks(long most, long unused)
{
	(void)unused;
	for (long i = 0; i < most; i++) {
		pid_t child = fork();
		if (child < 0)
			return refused("fork", i);
		if (child == 0)
			for (;;)
				pause();
	}
	return 0;
}

static void *
sleeper(void *unused)
{
	(void)unused;
	while (pause())
		;
	return NULL;
}

static int
do_thread_bomb(long unused, long unused2)
{
	pthread_attr_t small;
	pthread_t thread;
	long count = 0;

	(void)unused;
	(void)unused2;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK);
	while (!(errno = pthread_create(&thread, &small, sleeper, NULL)))
		count++;
	return refused("thread", count);
}

/* --- files ----------------------------------------------------------------------------------------- */

/* Files of 4 MB in every writable place, until none more can be kept: the KB that were. */
static int
do_fill(long unused, long unused2)
{
	static char bytes[65536];
	char path[64];
	long kilobytes = 0;

	(void)unused;
	(void)unused2;
	memset(bytes, 1, sizeof(bytes));
	for (size_t place = 0; place < sizeof(places) / sizeof(places[0]); place++)
		for (int number = 0;; number++) {
			snprintf(path, sizeof(path), "%s/fill%d", places[place], number);
			int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
			ssize_t n = -1;
			for (int i = 0; i < 64 && fd >= 0 && (n = write(fd, bytes, sizeof(bytes))) > 0; i++)
				kilobytes += n >> 10;
			int error = errno;
			if (fd >= 0)
				close(fd);
			errno = error;
			if (n <= 0)
				break;
		}
	return refused("write", kilobytes);
}

static int
do_inodes(long most, long unused)
{
	char path[64];

	(void)unused;
	for (long i = 0; i < most; i++) {
		snprintf(path, sizeof(path), "/tmp/i%ld", i);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			return refused("open", i);
		close(fd);
	}
	return 0;
}

/* One file: the KB that were written. The second number: 1 makes it sparse, 2 asks for it by fallocate. */
static int
do_file(long kilobytes, long how)
{
	static char bytes[1024];
	long i = 0;

	int fd = open("/tmp/file", O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		return refused("open", 0);
	if (how == 1)
		return ftruncate(fd, (off_t)kilobytes << 10) ? refused("ftruncate", 0) : 0;
	if (how == 2)
		return (errno = posix_fallocate(fd, 0, (off_t)kilobytes << 10)) ? refused("fallocate", 0) : 0;
	for (; i < kilobytes; i++)
		if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
			return refused("write", i);
	return 0;
}

static int
do_open(long most, long unused)
{
	(void)unused;
	for (long i = 0; i < most; i++)
		if (open("/dev/null", O_RDONLY) < 0)
			return refused("open", i + 3);	/* with 0 to 2 */
	return 0;
}

/* Which descriptors are open, as a shell cannot tell of itself. */
static int
do_descriptors(long unused, long unused2)
{
	(void)unused;
	(void)unused2;
	for (int fd = 0; fd < 65536; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	return 0;
}

/* --- the call --------------------------------------------------------------------------------------- */

static const struct work {
	const char *name;
	int (*run)(long first, long second);
} works[] = {
	{ "kill", do_kill }, { "segv", do_segv }, { "abort", do_abort },
	{ "malloc", do_malloc }, { "mmap", do_mmap }, { "together", do_together }, { "reserve", do_reserve },
	{ "child-eats", do_child_eats }, { "memfd", do_memfd }, { "sockets", do_sockets },
	{ "spin", do_spin }, { "threads", do_threads }, { "chain", do_chain }, { "orphans", do_orphans },
	{ "nice", do_nice }, { "deaf", do_deaf },
	{ "fork-bomb", do_fork_bomb }, { "forks", do_forks }, { "thread-bomb", do_thread_bomb },
	{ "fill", do_fill }, { "inodes", do_inodes }, { "file", do_file }, { "open", do_open },
	{ "descriptors", do_descriptors },
};

int
main(int argc, char **argv)
{
	long numbers[2] = { 0, 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc && i < 4; i++)
		numbers[i - 2] = strtol(argv[i], NULL, 10);
	for (size_t i = 0; argc > 1 && i < sizeof(works) / sizeof(works[0]); i++)
		if (!strcmp(argv[1], works[i].name))
			return works[i].run(numbers[0], numbers[1]);
	fprintf(stderr, "work: no such work\n");
	return 2;
}
