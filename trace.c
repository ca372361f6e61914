/* trace.c - compares a sandbox with what it was: see trace.h. It only looks. */
#include "trace.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"

/* Whatever the user of a new sandbox can write to. A directory that is made later is a change of one of these. Beside them the
 * device that terminals are made by: who uses one leaves its times there. */
static const char *const places[] = {
	"/", "/tmp", "/home", "/home/user", "/run", "/run/shm", "/var", "/var/tmp", "/dev/pts", "/dev/mqueue",
	"/dev/pts/ptmx",
};
enum { PLACES_LEN = sizeof(places) / sizeof(places[0]) };

struct trace {
	int places[PLACES_LEN];
	struct stat found[PLACES_LEN];
	struct timespec latest;
	fsblkcnt_t blocks;
	fsfilcnt_t inodes;
	ino_t number;			/* of the file made last */
	int last_pid;			/* /proc/sys/kernel/ns_last_pid */
	bool fine, in_time;
};

static bool
later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* A directory's ctime says all, with its size, which goes with the number of entries: times of /dev/mqueue are whole seconds, so
 * that a queue may be left in the second in which it was mounted. A device's other times move without its ctime. */
static bool
same(const struct stat *a, const struct stat *b)
{
	return same_time(&a->st_ctim, &b->st_ctim) && a->st_size == b->st_size && (S_ISDIR(a->st_mode) ||
	    (same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_atim, &b->st_atim)));
}

static bool
used(fsblkcnt_t *blocks, fsfilcnt_t *inodes)
{
	struct statfs stat;

	if (statfs("/", &stat))
		return false;
	*blocks = stat.f_blocks - stat.f_bfree;
	*inodes = stat.f_files - stat.f_ffree;
	return true;
}

/* A time between two steps of the clock can only be a fine one. */
bool
trace_times_are_fine(int at, const char *path)
{
	struct timespec now;
	struct stat stat;

	return !fstatat(at, path, &stat, AT_SYMLINK_NOFOLLOW) && !fchmodat(at, path, stat.st_mode & 07777, 0) &&
	    !fstatat(at, path, &stat, AT_SYMLINK_NOFOLLOW) && !clock_gettime(CLOCK_REALTIME_COARSE, &now) &&
	    later(&stat.st_ctim, &now);
}

/* A file without a name leaves no time, but its number is not given again. So one is made at each look: it is the next, or somebody
 * else has made one. 0: none can be made. */
static ino_t
next_number(const struct trace *trace)
{
	struct stat stat = { .st_ino = 0 };

	int fd = openat(trace->places[0], "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	(void)fstat(fd, &stat);
	close(fd);
	return stat.st_ino;
}

struct trace *
trace_open(bool fine)
{
	static struct trace trace;		/* pid 1 has one sandbox */

	trace.fine = fine;
	for (size_t i = 0; i < PLACES_LEN; i++) {
		trace.places[i] = open(places[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (trace.places[i] < 0 || fstat(trace.places[i], &trace.found[i]))
			return NULL;
		if (later(&trace.found[i].st_ctim, &trace.latest))
			trace.latest = trace.found[i].st_ctim;
	}
	trace.last_pid = open("/proc/sys/kernel/ns_last_pid", O_RDONLY | O_CLOEXEC);
	trace.number = next_number(&trace);
	return trace.last_pid >= 0 && trace.number && used(&trace.blocks, &trace.inodes) ? &trace : NULL;
}

bool
trace_begin(struct trace *trace)
{
	struct timespec now;

	/* The clock that file times are taken from. */
	if (clock_gettime(CLOCK_REALTIME_COARSE, &now))
		return false;
	trace->in_time = trace->fine || later(&now, &trace->latest);
	return trace->in_time;
}

/* "123\n" */
static bool
last_pid_is(const struct trace *trace, pid_t command)
{
	char text[24];
	const char *at = text;

	return text_pread(trace->last_pid, text, sizeof(text)) > 0 && text_number(&at) == (uint64_t)command;
}

bool
trace_clean(struct trace *trace, pid_t command)
{
	fsblkcnt_t blocks;
	fsfilcnt_t inodes;
	struct stat stat;

	if (!trace->in_time || !last_pid_is(trace, command))
		return false;
	for (size_t i = 0; i < PLACES_LEN; i++)
		if (fstat(trace->places[i], &stat) || !same(&stat, &trace->found[i]))
			return false;
	if (next_number(trace) != ++trace->number)
		return false;
	return used(&blocks, &inodes) && blocks == trace->blocks && inodes == trace->inodes;
}
