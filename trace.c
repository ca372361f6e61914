/* trace.c - compares a sandbox with what it was: see trace.h. Reads and stats; the ipc ids that it takes it gives back. */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 16384 };

/* Whatever the user of a new sandbox can write to. A directory that is made later is a change of one of these. */
static const char *const directories[] = {
	"/", "/tmp", "/home", "/home/user", "/run", "/run/shm", "/var", "/var/tmp", "/dev/pts", "/dev/mqueue",
};
enum { DIRECTORIES_LEN = sizeof(directories) / sizeof(directories[0]) };

/* Sockets in use, TIME_WAIT, packets on the loopback, every protocol's counters, flow labels. */
static const char *const network_files[] = {
	"/proc/net/sockstat", "/proc/net/sockstat6", "/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6",
	"/proc/net/netstat", "/proc/net/ip6_flowlabel",
};
enum { SOCKSTAT = 0, NETWORK_LEN = sizeof(network_files) / sizeof(network_files[0]) };

struct trace {
	int directories[DIRECTORIES_LEN];
	struct timespec changed[DIRECTORIES_LEN], latest;
	fsblkcnt_t blocks;
	fsfilcnt_t inodes;
	bool watched, noticed_network, noticed_ipc;	/* for as long as the sandbox lives: the kernel may act on it later */
	int last_pid;			/* /proc/sys/kernel/ns_last_pid */
	int ids[3], step;		/* of shm, sem, msg: the last that was taken here */
	int network[NETWORK_LEN];	/* -1: this kernel has no such file (no IPv6) */
	uint64_t digests[NETWORK_LEN];
	bool in_time;
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

static bool
changed_at(int directory, struct timespec *when)
{
	struct stat stat;

	if (fstat(directory, &stat))
		return false;
	*when = stat.st_ctim;
	return true;
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

/* FNV-1a. What is compared are counters that only ever grow: nobody can choose a text here. */
static uint64_t
hash_on(uint64_t hash, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
	return hash;
}

/* These words of sockstat count the whole host, whatever the namespace: any connection anywhere would be taken for a trace. The
 * namespace's own sockets, in use and in TIME_WAIT, are counted beside them. */
static bool
is_host_wide(const char *word, size_t len)
{
	static const char *const words[] = { "orphan", "alloc", "mem" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && !memcmp(words[i], word, len))
			return true;
	return false;
}

/* Word by word, without the numbers that are the host's. */
static uint64_t
hash_own(uint64_t hash, const char *text, size_t len)
{
	bool skip = false;

	for (size_t at = 0, end; at < len; at = end + 1) {
		for (end = at; end < len && text[end] != ' ' && text[end] != '\n'; end++)
			;
		if (!skip)
			hash = hash_on(hash_on(hash, text + at, end - at), " ", 1);
		skip = is_host_wide(text + at, end - at);
	}
	return hash;
}

static bool
digest_file(int fd, bool host_wide, uint64_t *digest)
{
	char text[TEXT_MAX];
	uint64_t hash = 0xcbf29ce484222325u;
	off_t len = 0;

	for (;;) {
		ssize_t n = pread(fd, text, sizeof(text), len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		hash = host_wide ? hash_own(hash, text, (size_t)n) : hash_on(hash, text, (size_t)n);
		len += n;
		/* Each of these files is one record, which the kernel gives whole where it fits (seq_file). */
		if ((size_t)n < sizeof(text) / 2)
			break;
	}
	*digest = hash;
	return true;
}

/* Takes one id of each kind and gives it back: what the kernel would give a command next. */
static bool
take_ids(int ids[3])
{
	ids[0] = shmget(IPC_PRIVATE, 1, IPC_CREAT);
	ids[1] = semget(IPC_PRIVATE, 1, IPC_CREAT);
	ids[2] = msgget(IPC_PRIVATE, IPC_CREAT);
	bool all = ids[0] >= 0 && ids[1] >= 0 && ids[2] >= 0;

	if (ids[0] >= 0)
		(void)shmctl(ids[0], IPC_RMID, NULL);
	if (ids[1] >= 0)
		(void)semctl(ids[1], 0, IPC_RMID);
	if (ids[2] >= 0)
		(void)msgctl(ids[2], IPC_RMID, NULL);
	return all;
}

/* From one id to the next is always the same step: 1 where the kernel goes round the slots (since Linux 5.1), 0x8000 where it
 * takes the lowest and counts how often (an id is a slot and that count). Where the round begins again the step is another one:
 * such a sandbox is not used again, which costs one in 64. */
static bool
ids_follow(struct trace *trace)
{
	int now[3];

	if (!take_ids(now))
		return false;
	for (size_t i = 0; i < 3; i++) {
		int step = now[i] - trace->ids[i];
		trace->ids[i] = now[i];
		if (step != trace->step)
			return false;
	}
	return true;
}

static bool
open_ids(struct trace *trace)
{
	int first[3];

	if (!take_ids(first) || !take_ids(trace->ids))
		return false;
	trace->step = trace->ids[0] - first[0];
	return (trace->step == 1 || trace->step == 0x8000) && ids_follow(trace);
}

/* Under the watched filter pid 1 cannot take an id itself; whoever has asked for one has left a trace. */
static bool
ipc_clean(struct trace *trace)
{
	return trace->watched ? !trace->noticed_ipc : ids_follow(trace);
}

static bool
open_network(struct trace *trace)
{
	for (size_t i = 0; i < NETWORK_LEN; i++) {
		trace->network[i] = open(network_files[i], O_RDONLY | O_CLOEXEC);
		if (trace->network[i] < 0 && errno != ENOENT)
			return false;
		if (trace->network[i] >= 0 &&
		    !digest_file(trace->network[i], i == SOCKSTAT, &trace->digests[i]))
			return false;
	}
	/* Without these two nothing is proved. */
	return trace->network[0] >= 0 && trace->network[2] >= 0;
}

static bool
network_same(const struct trace *trace)
{
	uint64_t digest;

	for (size_t i = 0; i < NETWORK_LEN; i++) {
		if (trace->network[i] < 0)
			continue;
		if (!digest_file(trace->network[i], i == SOCKSTAT, &digest) || digest != trace->digests[i])
			return false;
	}
	return true;
}

struct trace *
trace_open(bool own_network, bool watched)
{
	static struct trace trace;		/* pid 1 has one sandbox */

	trace.watched = watched;
	trace.noticed_network = !watched;
	for (size_t i = 0; i < DIRECTORIES_LEN; i++) {
		trace.directories[i] = open(directories[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (trace.directories[i] < 0 || !changed_at(trace.directories[i], &trace.changed[i]))
			return NULL;
		if (later(&trace.changed[i], &trace.latest))
			trace.latest = trace.changed[i];
	}
	trace.last_pid = open("/proc/sys/kernel/ns_last_pid", O_RDONLY | O_CLOEXEC);
	if (trace.last_pid < 0 || !used(&trace.blocks, &trace.inodes) || (!watched && !open_ids(&trace)))
		return NULL;
	return own_network && open_network(&trace) ? &trace : NULL;
}

void
trace_notice_network(struct trace *trace)
{
	trace->noticed_network = true;
}

void
trace_notice_ipc(struct trace *trace)
{
	trace->noticed_ipc = true;
}

bool
trace_begin(struct trace *trace)
{
	struct timespec now;

	/* The clock that file times are taken from. */
	if (clock_gettime(CLOCK_REALTIME_COARSE, &now))
		return false;
	trace->in_time = later(&now, &trace->latest);
	return trace->in_time;
}

/* "123\n" */
static bool
last_pid_is(const struct trace *trace, pid_t command)
{
	char text[24];
	long value = 0;

	ssize_t n = pread(trace->last_pid, text, sizeof(text), 0);
	if (n <= 0)
		return false;
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (text[i] - '0');
	return value == command;
}

bool
trace_clean(struct trace *trace, pid_t command)
{
	struct timespec when;
	fsblkcnt_t blocks;
	fsfilcnt_t inodes;

	if (!trace->in_time || !last_pid_is(trace, command))
		return false;
	for (size_t i = 0; i < DIRECTORIES_LEN; i++)
		if (!changed_at(trace->directories[i], &when) || !same_time(&when, &trace->changed[i]))
			return false;
	return used(&blocks, &inodes) && blocks == trace->blocks && inodes == trace->inodes &&
	    ipc_clean(trace) && (!trace->noticed_network || network_same(trace));
}
