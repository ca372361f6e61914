/* check_kernel.c - what the kernel and those who set it up let us do: namespaces, mounts, filters,
 * rlimits
 *
 * Everything is done once for real, in a child with a deadline. The child has the namespaces that
 * it tries, so that what it does ends with it. Where something is refused to us as we are, it is
 * tried again inside a user namespace. Answers come back through shared memory. Between clone and
 * exit: no malloc, no streams, no locks. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h> /* ST_* */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "check_private.h"
#include "limit.h"
#include "seccomp.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

enum {
	CHILD_SECONDS = 5,
	DYING_MS = 2000, /* after SIGKILL: one that sleeps in the kernel is left */
	DISK_BYTES = 64 << 10,
	FSIZE_BYTES = 256,
	NOFILE_TRIED = 64,
};

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

const char check_step_private[] = "make the root mount private";

/* --- children --- */

/* Waits until every holder of the pipe's other end is gone. */
static bool
all_gone(int pipe, int seconds)
{
	struct timespec now;
	struct pollfd end = { .fd = pipe, .events = POLLIN };

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t deadline = ((int64_t)now.tv_sec + seconds) * 1000 + now.tv_nsec / 1000000;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		int64_t left = deadline - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
		int n = poll(&end, 1, left > 0 ? (int)left : 0);
		if (n > 0)
			return true;
		if (n == 0 && left <= 0)
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/* Reaps a child that is dead, or dies now. */
static int
reap(pid_t pid, int *status)
{
	for (int ms = 0; ms < DYING_MS; ms++) {
		pid_t found = waitpid(pid, status, WNOHANG);
		if (found == pid)
			return 0;
		if (found < 0 && errno != EINTR)
			return -errno;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return -ETIMEDOUT;
}

int
check_child(unsigned long namespaces, void (*run)(void *), void *argument, int seconds, int *signal)
{
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t pid =
	    namespaces ? (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0) : fork();
	if (pid == 0) {
		close(ends[0]);
		run(argument);
		_exit(0);
	}
	int error = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (!error) {
		bool gone = all_gone(ends[0], seconds);
		if (!gone)
			(void)kill(pid, SIGKILL);
		error = reap(pid, &status);
		if (!gone)
			error = -ETIMEDOUT;
	}
	close(ends[0]);
	if (!error && WIFSIGNALED(status)) {
		error = -EIO;
		if (signal)
			*signal = WTERMSIG(status);
	}
	return error;
}

void *
check_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void
check_unshare(void *memory, size_t size)
{
	if (memory)
		(void)munmap(memory, size);
}

/* --- system calls --- */

/* The newest calls that sandboxes are made with. The last one says which kernel is needed.
 * (close_range and mount_setattr are used too, and done without.) */
static const struct call {
	uint16_t number;
	char name[18], since[6];
} calls[] = {
	{ SYS_memfd_create, "memfd_create", "3.17" },
	{ SYS_pidfd_send_signal, "pidfd_send_signal", "5.1" },
	{ SYS_open_tree, "open_tree", "5.2" },
	{ SYS_move_mount, "move_mount", "5.2" },
	{ SYS_fsopen, "fsopen", "5.2" },
	{ SYS_fsconfig, "fsconfig", "5.2" },
	{ SYS_fsmount, "fsmount", "5.2" },
	{ SYS_fspick, "fspick", "5.2" },
	{ SYS_pidfd_open, "pidfd_open", "5.3" },
};

/* All bits set is no valid argument of any of them: a kernel that has the call refuses the flags,
 * the descriptor or the address, and does nothing. */
static void
try_calls(void *argument)
{
	struct check_kernel *kernel = argument;

	for (size_t i = 0; i < LEN(calls); i++) {
		long result = syscall((long)calls[i].number, -1L, -1L, -1L, -1L, -1L, -1L);
		if (result < 0 && errno == ENOSYS) {
			kernel->missing_call = calls[i].name;
			kernel->missing_since = calls[i].since;
		}
	}
}

/* --- namespaces --- */

/* "0 UID 1": root here is who we are outside. */
static void
map_own_id(const char *path, unsigned id)
{
	char text[32];

	snprintf(text, sizeof(text), "0 %u 1\n", id);
	(void)text_write(-1, path, text);
}

struct
try {
	struct check_tried *tried; /* shared */
	size_t len;
	uid_t uid; /* outside, of who tries */
	gid_t gid;
	bool in_userns;
	int (*run)(const char **step);
	void (*run_all)(struct check_tried *); /* in place of run: several results */
};

/* In a new user namespace: without a map every right is there, but no id is, and no file can be
 * made. A map that is refused shows in what is tried next. */
static void
try_inside(void *argument)
{
	struct try *try = argument;

	if (try->in_userns) {
		(void)text_write(-1, "/proc/self/setgroups", "deny");
		map_own_id("/proc/self/uid_map", try->uid);
		map_own_id("/proc/self/gid_map", try->gid);
	}
	if (try->run_all)
		try->run_all(try->tried);
	else
		try->tried->error = try->run(&try->tried->step);
}

/* As we are; and where that is not permitted, in a user namespace. */
static void
try_in(unsigned long namespaces, struct try *try, bool userns_works)
{
	for (int round = 0; round < 2; round++) {
		try->in_userns = round || namespaces & CLONE_NEWUSER;
		for (size_t i = 0; i < try->len; i++)
			try->tried[i] = (struct check_tried){ .error = CHECK_UNTRIED,
				.in_userns = try->in_userns };
		int error = check_child(
		    namespaces | (round ? CLONE_NEWUSER : 0), try_inside, try, CHILD_SECONDS, NULL);
		for (size_t i = 0; error && i < try->len; i++)
			if (try->tried[i].error == CHECK_UNTRIED)
				try->tried[i] =
				    (struct check_tried){ error, try->in_userns, "clone" };
		error = try->tried[0].error;
		if (try->in_userns || !userns_works || (error != -EPERM && error != -EACCES))
			return;
	}
}

static int
do_nothing(const char **step)
{
	(void)step;
	return 0;
}

static int
be_first(const char **step)
{
	*step = "be pid 1";
	return getpid() == 1 ? 0 : -ESRCH;
}

/* A right that comes with the namespace is used: AppArmor may let the namespace be made, and take
 * that away. */
static int
set_host_name(const char **step)
{
	*step = "set the host name";
	return sethostname("check", 5) ? -errno : 0;
}

static int
raise_loopback(const char **step)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	*step = "raise loopback";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
	close(fd);
	return error;
}

static const struct namespace_row {
	unsigned long flags;
	int (*run)(const char **step);
} namespaces[CHECK_NAMESPACES] = {
	[CHECK_NS_USER] = { CLONE_NEWUSER | CLONE_NEWUTS, set_host_name },
	[CHECK_NS_PID] = { CLONE_NEWPID, be_first },
	[CHECK_NS_MOUNT] = { CLONE_NEWNS, do_nothing },
	[CHECK_NS_IPC] = { CLONE_NEWIPC, do_nothing },
	[CHECK_NS_UTS] = { CLONE_NEWUTS, set_host_name },
	[CHECK_NS_CGROUP] = { CLONE_NEWCGROUP, do_nothing },
	[CHECK_NS_NET] = { CLONE_NEWNET, raise_loopback },
};

/* --- mounts --- */

struct option {
	char key[10], value[4];
};

/* A new mount, not attached yet: its descriptor, or -errno with the step. */
static int
new_mount(const char *type, const struct option *options, size_t len, const char **step)
{
	*step = "fsopen";
	int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	*step = "fsconfig";
	for (size_t i = 0; i < len; i++)
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, options[i].key,
			options[i].value, 0))
			return -errno;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	*step = "fsmount";
	int mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	return mount < 0 ? -errno : mount;
}

/* A file system of 64 KB takes 64 KB. */
static int
fill_disk(int tmpfs, const char **step)
{
	char zeros[512] = { 0 };
	size_t written = 0;

	*step = "make a file";
	int fd = openat(tmpfs, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*step = "fill it: it takes more than its size";
	while (written <= DISK_BYTES) {
		ssize_t n = write(fd, zeros, sizeof(zeros));
		if (n <= 0)
			return errno == ENOSPC ? 0 : -errno;
		written += (size_t)n;
	}
	return -EFBIG;
}

static int
bind_read_only(const char **step)
{
	struct {
		uint64_t set, clear, propagation, userns;
	} attr = { .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
	const char *place = access("/usr", F_OK) ? "/" : "/usr";
	struct statfs stat;

	*step = "open_tree";
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, place, flags);
	if (tree < 0)
		return -errno;
	*step = "mount_setattr";
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr))) {
		if (errno != ENOSYS)
			return -errno;
		/* Before Linux 5.12: where it lies. */
		*step = "remount";
		if (fstatfs(tree, &stat) ||
		    syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) ||
		    fchdir(tree) || mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID |
		    MS_NODEV | ((unsigned long)stat.f_flags & MS_NOEXEC), NULL))
			return -errno;
	}
	*step = "make it read-only";
	if (fstatfs(tree, &stat))
		return -errno;
	return stat.f_flags & ST_RDONLY && stat.f_flags & ST_NOSUID ? 0 : -EIO;
}

static int
mount_proc(const char **step)
{
	static const struct option options[] = { { "hidepid", "2" } };
	char text[16];

	int proc = new_mount("proc", options, LEN(options), step);
	if (proc < 0)
		return proc;
	*step = "read it";
	ssize_t n = readlinkat(proc, "self", text, sizeof(text));
	if (n < 0)
		return -errno;
	return n == 1 && text[0] == '1' ? 0 : -EIO;
}

/* The new root: on any directory that is there. An initramfs cannot be pivoted away from, and is
 * covered. */
static int
change_root(int tmpfs, const char **step)
{
	static const char places[][6] = { "/proc", "/mnt", "/tmp", "/run" };
	long moved = -1;

	*step = "move_mount";
	for (size_t i = 0; i < LEN(places) && moved; i++)
		moved = syscall(
		    SYS_move_mount, tmpfs, "", AT_FDCWD, places[i], MOVE_MOUNT_F_EMPTY_PATH);
	if (moved || fchdir(tmpfs))
		return -errno;
	*step = "pivot_root";
	if (syscall(SYS_pivot_root, ".", ".")) {
		if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
			return -errno;
	} else if (umount2(".", MNT_DETACH)) {
		return -errno;
	}
	*step = "leave the old root";
	return access("/usr", F_OK) && errno == ENOENT ? 0 : -EBUSY;
}

static void
try_mounts(struct check_tried *tried)
{
	static const struct option options[] = { { "size", "64k" }, { "nr_inodes", "16" } };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		for (size_t i = 0; i < CHECK_MOUNTS; i++) {
			tried[i].error = -errno;
			tried[i].step = check_step_private;
		}
		return;
	}
	int tmpfs = new_mount("tmpfs", options, LEN(options), &tried[CHECK_TMPFS].step);
	tried[CHECK_TMPFS].error = tmpfs < 0 ? tmpfs : 0;
	if (tmpfs >= 0)
		tried[CHECK_DISK].error = fill_disk(tmpfs, &tried[CHECK_DISK].step);
	tried[CHECK_BIND].error = bind_read_only(&tried[CHECK_BIND].step);
	tried[CHECK_PROC].error = mount_proc(&tried[CHECK_PROC].step);
	if (tmpfs >= 0)
		tried[CHECK_PIVOT_ROOT].error = change_root(tmpfs, &tried[CHECK_PIVOT_ROOT].step);
}

/* --- filters --- */

struct try_filter {
	struct seccomp_program command, server;
	int no_new_privs, seccomp; /* shared */
};

static int
set_no_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EIO;
}

/* A command's filter is there, and a call that it refuses (EBADF without it) is refused. */
static void
try_filter(void *argument)
{
	struct try_filter *try = argument;

	if ((try->no_new_privs = set_no_new_privileges()))
		return;
	if ((try->seccomp = seccomp_load(&try->command)))
		return;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER || !setns(-1, 0) ||
	    errno != EPERM)
		try->seccomp = -EIO;
}

/* The server's filter kills. */
static void
try_killing_filter(void *argument)
{
	struct try_filter *try = argument;

	if (set_no_new_privileges() || seccomp_load(&try->server))
		_exit(1);
	(void)setns(-1, 0);
}

static void
try_filters(struct check_kernel *kernel)
{
	int signal = 0;

	kernel->no_new_privs = kernel->seccomp = kernel->seccomp_kill = -ENOMEM;
	struct try_filter *try = check_share(sizeof(*try));
	if (!try)
		return;
	int error = seccomp_build(&try->command, SECCOMP_COMMAND, 0);
	if (!error)
		error = seccomp_build(&try->server, SECCOMP_SERVER, 0);
	try->no_new_privs = CHECK_UNTRIED;
	try->seccomp = error ? error : CHECK_UNTRIED;
	int died = check_child(0, try_filter, try, CHILD_SECONDS, NULL);
	kernel->no_new_privs =
	    try->no_new_privs == CHECK_UNTRIED && died ? died : try->no_new_privs;
	kernel->seccomp = try->seccomp == CHECK_UNTRIED && died ? died : try->seccomp;
	kernel->seccomp_kill = CHECK_UNTRIED;
	if (!kernel->seccomp && seccomp_kills()) {
		died = check_child(0, try_killing_filter, try, CHILD_SECONDS, &signal);
		kernel->seccomp_kill = signal == SIGSYS ? 0 : died ? died : -EIO;
	}
	check_unshare(try, sizeof(*try));
}

/* --- rlimits --- */

/* prlimit64: what glibc calls a resource is an enum of its own. */
static int
limit(int resource, uint64_t soft, uint64_t hard)
{
	struct {
		uint64_t soft, hard;
	} set = { soft, hard }, old;

	if (!syscall(SYS_prlimit64, 0, resource, &set, NULL))
		return 0;
	if (errno != EPERM || syscall(SYS_prlimit64, 0, resource, NULL, &old) || soft > old.hard)
		return -errno;
	set.hard = old.hard; /* a hard limit cannot be raised */
	return syscall(SYS_prlimit64, 0, resource, &set, NULL) ? -errno : 0;
}

/* What a run gets by default can be set; and a smaller limit is felt. */
static int
limit_file_size(void)
{
	char bytes[2 * FSIZE_BYTES] = { 0 };
	uint64_t standard = limit_fields[LIMIT_FSIZE].standard << 10;

	int error = limit(RLIMIT_FSIZE, standard, standard);
	if (error || (error = limit(RLIMIT_FSIZE, FSIZE_BYTES, FSIZE_BYTES)))
		return error;
	(void)signal(SIGXFSZ, SIG_IGN);
	int fd = memfd_create("check", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, sizeof(bytes)) > FSIZE_BYTES)
		return -EFBIG;
	return write(fd, bytes, 1) < 0 && errno == EFBIG ? 0 : -EIO;
}

static int
limit_open_files(void)
{
	uint64_t standard = limit_fields[LIMIT_NOFILE].standard;

	int error = limit(RLIMIT_NOFILE, standard, standard);
	for (int i = 0; !error && i <= NOFILE_TRIED; i++)
		if (open("/", O_PATH | O_CLOEXEC) < 0)
			return errno == EMFILE ? 0 : -errno;
	return error ? error : -EIO;
}

static int
limit_stack(void)
{
	return limit(RLIMIT_STACK, limit_fields[LIMIT_STACK].standard << 10, UINT64_MAX);
}

static void
try_rlimits(void *argument)
{
	int *results = argument;

	results[CHECK_FSIZE] = limit_file_size();
	results[CHECK_STACK] = limit_stack();
	results[CHECK_NOFILE] = limit_open_files();
}

/* --- all of it --- */

void
check_kernel(struct check_kernel *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < CHECK_RLIMITS; i++)
		out->rlimits[i] = CHECK_UNTRIED;
	for (size_t i = 0; i < CHECK_NAMESPACES; i++)
		out->namespaces[i].error = CHECK_UNTRIED;
	for (size_t i = 0; i < CHECK_MOUNTS; i++)
		out->mounts[i].error = CHECK_UNTRIED;
	out->needed_since = calls[LEN(calls) - 1].since;
	try_filters(out);
	struct check_kernel *kernel = check_share(sizeof(*kernel));
	if (!kernel)
		return;
	*kernel = *out;
	(void)check_child(0, try_calls, kernel, CHILD_SECONDS, NULL);
	(void)check_child(0, try_rlimits, kernel->rlimits, CHILD_SECONDS, NULL);
	struct try try = { .len = 1, .uid = geteuid(), .gid = getegid() };
	const struct check_tried *userns = &kernel->namespaces[CHECK_NS_USER];
	for (size_t i = 0; i < CHECK_NAMESPACES; i++) {
		try.tried = &kernel->namespaces[i];
		try.run = namespaces[i].run;
		try_in(namespaces[i].flags, &try, userns->error == 0);
	}
	try.tried = kernel->mounts;
	try.len = CHECK_MOUNTS;
	try.run_all = try_mounts;
	try_in(CLONE_NEWNS | CLONE_NEWPID, &try, userns->error == 0);
	*out = *kernel;
	check_unshare(kernel, sizeof(*kernel));
}
