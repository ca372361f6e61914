/* attack.c - what a hostile program tries, one attack a name: prints each call with what came of it
 *
 * "call ok" means that it worked, "call EPERM" that it was refused. Nothing here knows how it is to end: the tests do. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const struct error_name {
	int number;
	const char *name;
} error_names[] = {
	{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { ESRCH, "ESRCH" }, { EIO, "EIO" }, { EBADF, "EBADF" },
	{ ECHILD, "ECHILD" }, { EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" }, { EACCES, "EACCES" },
	{ EFAULT, "EFAULT" }, { EBUSY, "EBUSY" }, { EEXIST, "EEXIST" }, { ENODEV, "ENODEV" },
	{ ENOTDIR, "ENOTDIR" }, { EISDIR, "EISDIR" }, { EINVAL, "EINVAL" }, { EMFILE, "EMFILE" },
	{ ENOTTY, "ENOTTY" }, { ETXTBSY, "ETXTBSY" }, { EFBIG, "EFBIG" }, { ENOSPC, "ENOSPC" },
	{ EROFS, "EROFS" }, { ENOSYS, "ENOSYS" }, { ELOOP, "ELOOP" }, { ENXIO, "ENXIO" },
	{ EAFNOSUPPORT, "EAFNOSUPPORT" }, { EPROTONOSUPPORT, "EPROTONOSUPPORT" },
	{ ECONNREFUSED, "ECONNREFUSED" }, { ENETUNREACH, "ENETUNREACH" }, { ETOOMANYREFS, "ETOOMANYREFS" },
	{ EOPNOTSUPP, "EOPNOTSUPP" }, { EUSERS, "EUSERS" }, { ENOBUFS, "ENOBUFS" }, { EXDEV, "EXDEV" },
	{ EDQUOT, "EDQUOT" }, { ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT" }, { EINPROGRESS, "EINPROGRESS" },
};

static const char *
error_name(int number)
{
	static char text[16];

	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++)
		if (error_names[i].number == number)
			return error_names[i].name;
	snprintf(text, sizeof(text), "%d", number);
	return text;
}

static void
say(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? error_name(errno) : "ok");
	fflush(stdout);
}

static long
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* Opens and reads: what can be opened but says nothing is no leak. */
static long
try_read(const char *path)
{
	char bytes[64];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (n == 0)
		errno = ENOENT;
	return n > 0 ? 0 : -1;
}

/* --- escape ------------------------------------------------------------------------------------- */

static void
attack_mount(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	say("bind", mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL));
	say("remount", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
	say("shared", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
	say("umount", umount2("/proc/sys", MNT_DETACH));
	say("umount2", umount2("/", MNT_FORCE | MNT_DETACH));
	say("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
	say("fsopen", syscall(430, "proc", 0));
	say("open_tree", syscall(428, AT_FDCWD, "/", 1));
	say("move_mount", syscall(429, -1, "", -1, "", 4));
	say("fspick", syscall(433, AT_FDCWD, "/", 0));
	say("mount_setattr", syscall(442, AT_FDCWD, "/usr", 0, NULL, 0));
}

static void
attack_chroot(int argc, char **argv)
{
	(void)argc, (void)argv;
	int up = open("/", O_RDONLY | O_DIRECTORY);
	mkdir("/tmp/prison", 0755);
	say("chroot", chroot("/tmp/prison"));
	say("fchdir", fchdir(up));
	for (int i = 0; i < 64; i++)
		(void)!chdir("..");
	struct stat here, root;
	stat(".", &here);
	stat("/", &root);
	printf("%s\n", here.st_ino == root.st_ino && here.st_dev == root.st_dev ? "still inside" : "outside");
}

static void
attack_device(int argc, char **argv)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[128];
	} handle = { .bytes = 8, .type = 1, .handle = { 2 } };

	(void)argc, (void)argv;
	say("block", mknod("/tmp/disk", S_IFBLK | 0666, makedev(254, 0)));
	say("mem", mknod("/tmp/mem", S_IFCHR | 0666, makedev(1, 1)));
	say("kmsg", mknod("/dev/shm/kmsg", S_IFCHR | 0666, makedev(1, 11)));
	say("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}

static void
attack_namespace(int argc, char **argv)
{
	static const struct {
		const char *name;
		int flag;
	} kinds[] = {
		{ "user", CLONE_NEWUSER }, { "mount", CLONE_NEWNS }, { "pid", CLONE_NEWPID },
		{ "net", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
		{ "cgroup", 0x02000000 }, { "time", 0x80 },
	};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "unshare %s", kinds[i].name);
		say(name, unshare(kinds[i].flag));
		if (kinds[i].flag == 0x80)
			continue;
		long pid = syscall(SYS_clone, kinds[i].flag | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			_exit(0);
		snprintf(name, sizeof(name), "clone %s", kinds[i].name);
		say(name, pid);
	}
	say("clone3", syscall(435, NULL, 0));
	int own = open("/proc/self/ns/mnt", O_RDONLY);
	say("setns", setns(own, 0));
}

static void
attack_kernel(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("bpf", syscall(SYS_bpf, 0, NULL, 0));
	say("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	say("userfaultfd", syscall(SYS_userfaultfd, 1));
	say("io_uring_setup", syscall(425, 8, NULL));
	say("io_uring_enter", syscall(426, 0, 0, 0, 0, 0, 0));
	say("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
	say("request_key", syscall(SYS_request_key, "user", "x", NULL, -3));
	say("keyctl", syscall(SYS_keyctl, 0, -3, 1));
	say("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
	say("process_vm_readv", syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
	say("kcmp", syscall(SYS_kcmp, getpid(), 1, 0, 0, 0));
	say("io_setup", syscall(SYS_io_setup, 8, NULL));
	say("memfd_secret", syscall(447, 0));
	say("personality", syscall(SYS_personality, 0x0400000));
}

static void
attack_machine(int argc, char **argv)
{
	struct timespec now;

	(void)argc, (void)argv;
	clock_gettime(CLOCK_REALTIME, &now);
	say("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
	say("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
	say("adjtimex", syscall(SYS_adjtimex, NULL));
	say("swapon", syscall(SYS_swapon, "/tmp/swap", 0));
	say("swapoff", syscall(SYS_swapoff, "/tmp/swap"));
	say("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));	/* takes ctrl-alt-del away */
	say("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	say("init_module", syscall(SYS_init_module, NULL, 0, ""));
	say("finit_module", syscall(SYS_finit_module, -1, "", 0));
	say("delete_module", syscall(SYS_delete_module, "none", O_NONBLOCK));
	say("syslog", syscall(SYS_syslog, 3, NULL, 0));
	say("acct", syscall(SYS_acct, "/tmp/acct"));
	say("sethostname", syscall(SYS_sethostname, "taken", 5));
	say("setdomainname", syscall(SYS_setdomainname, "taken", 5));
	say("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
	say("vhangup", syscall(SYS_vhangup));
#ifdef SYS_iopl
	say("iopl", syscall(SYS_iopl, 3));
	say("ioperm", syscall(SYS_ioperm, 0, 1, 1));
	say("modify_ldt", syscall(SYS_modify_ldt, 0, NULL, 0));
#endif
}

static void
attack_socket(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int family = 0; family < 64; family++) {
		for (int type = 1; type <= 10; type++) {
			int fd = socket(family, type, 0);
			if (fd < 0)
				continue;
			printf("family %d type %d opens\n", family, type);
			close(fd);
		}
	}
	for (int protocol = 1; protocol < 300; protocol++) {
		int fd = socket(AF_INET, SOCK_STREAM, protocol);
		if (fd >= 0)
			printf("stream protocol %d opens\n", protocol);
		fd = socket(AF_INET6, SOCK_DGRAM, protocol);
		if (fd >= 0)
			printf("datagram protocol %d opens\n", protocol);
		if (protocol < 32 && socket(AF_NETLINK, SOCK_RAW, protocol) >= 0)
			printf("netlink %d opens\n", protocol);
	}
	say("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	say("ping", socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	say("raw by IPv6", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
	say("raw with the high half set", syscall(SYS_socket, 0x100000000l | AF_INET, SOCK_RAW, IPPROTO_RAW));
	say("SCTP by its type", socket(AF_INET, SOCK_SEQPACKET, 0));
	say("DCCP by its type", socket(AF_INET6, 6 | SOCK_CLOEXEC, 0));
	int plain = socket(AF_INET, SOCK_DGRAM, 0);
	static const unsigned long loads[] = { 0x8940, 0x8941, 0x8980, 0x8981, 0x8982, 0x8983, 0x89a0, 0x89a1, 0xffffffff00008940 };
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		say("a module", syscall(SYS_ioctl, plain, loads[i], NULL));
	say("packet", syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0x300));
	say("packet by inet", socket(AF_INET, 10, 0x300));
}

/* A child makes a harmless call, and its tracer puts another in its place when the filter may have been asked already: at the stop before
 * the call. Says what came of that. */
static void
attack_change(int argc, char **argv)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{ "setns", SYS_setns }, { "bpf", SYS_bpf }, { "keyctl", SYS_keyctl }, { "io_uring_setup", 425 }, { "getpid", SYS_getpid },
#ifdef __x86_64__
		{ "getpid of x32", 0x40000000 | SYS_getpid },
#endif
	};

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int told[2], status = 0;
		if (pipe(told))
			return;
		pid_t pid = fork();
		if (pid == 0) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			long result = syscall(SYS_getppid, -1L, 0L, 0L);
			int error = result < 0 ? errno : 0;
			(void)!write(told[1], &error, sizeof(error));
			_exit(result == getpid() ? 1 : 0);
		}
		close(told[1]);
		waitpid(pid, &status, 0);
		ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD);
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		long changed = -1;
		while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
			if (WSTOPSIG(status) == (SIGTRAP | 0x80) && changed < 0) {
#ifdef __x86_64__
				struct user_regs_struct now;
				ptrace(PTRACE_GETREGS, pid, 0, &now);
				if (now.orig_rax == SYS_getppid) {
					now.orig_rax = (unsigned long)calls[i].number;
					changed = ptrace(PTRACE_SETREGS, pid, 0, &now);
				}
#else
				struct user_regs_struct now;
				struct iovec all = { &now, sizeof(now) }, one = { (int[]){ (int)calls[i].number }, sizeof(int) };
				ptrace(PTRACE_GETREGSET, pid, 1, &all);
				if (now.regs[8] == SYS_getppid)
					changed = ptrace(PTRACE_SETREGSET, pid, 0x404, &one);	/* NT_ARM_SYSTEM_CALL */
#endif
			}
			ptrace(PTRACE_SYSCALL, pid, 0, 0);
		}
		int error = 0;
		printf("%s %s\n", calls[i].name, changed ? "not changed" : WIFSIGNALED(status) ? "killed" :
		    read(told[0], &error, sizeof(error)) <= 0 ? "untold" : error ? error_name(error) :
		    WEXITSTATUS(status) == 1 ? "made" : "0");
		close(told[0]);
	}
}

static void
attack_terminal(int argc, char **argv)
{
	char letter = 'x';
	int fd = argc > 0 ? 0 : posix_openpt(O_RDWR | O_NOCTTY);

	(void)argv;
	if (fd < 0) {
		say("posix_openpt", -1);
		return;
	}
	say("TIOCSTI", syscall(SYS_ioctl, fd, 0x5412ul, &letter));
	say("TIOCSTI with the high half set", syscall(SYS_ioctl, fd, 0xffffffff00005412ul, &letter));
	say("TIOCLINUX", syscall(SYS_ioctl, fd, 0x541cul, &letter));
	say("TIOCLINUX with the high half set", syscall(SYS_ioctl, fd, 0x10000541cul, &letter));
	say("TIOCCONS", syscall(SYS_ioctl, fd, 0x541dul, 0));
	say("TIOCSETD", syscall(SYS_ioctl, fd, 0x5423ul, &letter));
	say("/dev/tty", try_open("/dev/tty", O_RDWR | O_NOCTTY));
	say("/dev/console", try_open("/dev/console", O_RDWR | O_NOCTTY));
	say("/dev/tty0", try_open("/dev/tty0", O_RDWR | O_NOCTTY));
}

static void
attack_init(int argc, char **argv)
{
	static const char *const files[] = {
		"/proc/1/root", "/proc/1/cwd", "/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/fd",
		"/proc/1/fd/0", "/proc/1/exe", "/proc/1/cmdline", "/proc/1/ns/mnt", "/proc/1/task/1/mem",
	};
	struct rlimit none = { 0, 0 };
	struct sched_param param = { 0 };
	uint32_t batch[12] = { sizeof(batch), 3, [4] = 19 };	/* struct sched_attr: SCHED_BATCH at nice 19 */
	cpu_set_t one;

	(void)argc, (void)argv;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		say(files[i], try_open(files[i], O_RDONLY));
	say("ptrace attach", ptrace(PTRACE_ATTACH, 1, 0, 0));
	say("ptrace seize", ptrace(PTRACE_SEIZE, 1, 0, 0));
	say("kill", kill(1, SIGKILL));
	say("stop", kill(1, SIGSTOP));
	say("prlimit", prlimit(1, RLIMIT_CPU, &none, NULL));
	say("prlimit nofile", prlimit(1, RLIMIT_NOFILE, &none, NULL));
	say("sched_setparam", syscall(SYS_sched_setparam, 1, &param));
	say("sched_setattr", syscall(SYS_sched_setattr, 1, batch, 0));
	say("sched_setscheduler", syscall(SYS_sched_setscheduler, 1, 5, &param));
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	say("sched_setaffinity", sched_setaffinity(1, sizeof(one), &one));
	say("setpriority", setpriority(PRIO_PROCESS, 1, 19));
	say("ioprio_set", syscall(SYS_ioprio_set, 1, 1, 3 << 13));
	say("setpriority of the user", setpriority(PRIO_USER, 0, 19));
	say("ioprio_set of the user", syscall(SYS_ioprio_set, 3, getuid(), 3 << 13));
	int fd = (int)syscall(434, 1, 0);
	if (fd < 0) {
		say("pidfd_open", fd);
	} else {
		say("pidfd_send_signal", syscall(424, fd, SIGKILL, NULL, 0));
		say("pidfd_getfd", syscall(438, fd, 0, 0));
		say("setns by pidfd", setns(fd, CLONE_NEWNS));
	}
	say("kill all", kill(-1, SIGCONT));
}

static void
attack_paths(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		say(argv[i], try_open(argv[i], O_RDONLY | O_NONBLOCK));
}

static void
attack_read(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		say(argv[i], try_read(argv[i]));
}

static void
attack_write(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		say(argv[i], try_open(argv[i], O_WRONLY | O_NONBLOCK));
}

static void
attack_read_only(int argc, char **argv)
{
	char path[64];

	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			say(argv[i], fd);
			continue;
		}
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		say("open rw", try_open(path, O_RDWR));
		say("truncate", truncate(path, 0));
		say("chmod", fchmod(fd, 0777));
		say("utimes", futimens(fd, NULL));
		say("unlink", unlink(argv[i]));
		void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		say("map shared", shared == MAP_FAILED ? -1 : 0);
		shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		say("mprotect", mprotect(shared, 4096, PROT_READ | PROT_WRITE));
		say("rename", rename(argv[i], "/tmp/taken"));
		say("link over it", link(argv[i], "/tmp/taken"));
		say("xattr", fsetxattr(fd, "user.planted", "x", 1, 0));
		close(fd);
	}
}

static void
attack_connect(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i += 2) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[i + 1])) };
		inet_pton(AF_INET, argv[i], &to.sin_addr);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		int result = connect(fd, (struct sockaddr *)&to, sizeof(to));
		if (result < 0 && errno == EINPROGRESS) {
			struct pollfd one = { .fd = fd, .events = POLLOUT };
			socklen_t len = sizeof(errno);
			int error = EINPROGRESS;
			if (poll(&one, 1, 2000) > 0)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
			errno = error;
			result = error ? -1 : 0;
		}
		say(argv[i], result);
		close(fd);
	}
}

/* A leading '@' is an abstract name. */
static socklen_t
unix_name(struct sockaddr_un *name, const char *text)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	size_t len = strlen(text);
	memcpy(name->sun_path, text, len);
	if (*text == '@')
		name->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*text != '@'));
}

static void
attack_connect_unix(int argc, char **argv)
{
	struct sockaddr_un name;

	for (int i = 0; i < argc; i++) {
		socklen_t len = unix_name(&name, argv[i]);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		say(argv[i], connect(fd, (struct sockaddr *)&name, len));
		close(fd);
	}
}

/* By every type of socket, with a descriptor: what nobody takes out again stays open, and what is behind it there. */
static void
attack_send_unix(int argc, char **argv)
{
	static const struct {
		const char *name;
		int type;
	} types[] = { { "stream", SOCK_STREAM }, { "seqpacket", SOCK_SEQPACKET }, { "datagram", SOCK_DGRAM } };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct sockaddr_un name;

	for (int i = 0; i < argc; i++) {
		socklen_t len = unix_name(&name, argv[i]);
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			int fd = socket(AF_UNIX, types[t].type, 0);
			if (types[t].type != SOCK_DGRAM) {
				say(types[t].name, connect(fd, (struct sockaddr *)&name, len));
				continue;
			}
			struct iovec byte = { (char[]){ "x" }, 1 };
			struct msghdr message = { &name, len, &byte, 1, &control, sizeof(control), 0 };
			memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
			say(types[t].name, sendmsg(fd, &message, MSG_DONTWAIT));
		}
	}
}

static void
attack_gain(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("setuid", setuid(0));
	say("setgid", setgid(0));
	say("setgroups", syscall(SYS_setgroups, 0, NULL));
	say("setreuid", setreuid(0, 0));
	struct { uint32_t version; int pid; } head = { 0x20080522, 0 };
	uint32_t all[6] = { ~0u, ~0u, 0, ~0u, ~0u, 0 };
	say("capset", syscall(SYS_capset, &head, all));
	say("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
	printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	printf("uid %d %d, groups %d\n", (int)getuid(), (int)geteuid(), getgroups(0, NULL));
}

static void
attack_fds(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int fd = 3; fd < 1 << 16; fd++) {
		char path[64], target[256];
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		printf("%d %.*s\n", fd, (int)(n < 0 ? 0 : n), target);
	}
	for (int fd = 0; fd < 3; fd++) {
		struct stat what;
		fstat(fd, &what);
		printf("%d %s\n", fd, S_ISDIR(what.st_mode) ? "directory" : S_ISSOCK(what.st_mode) ? "socket" : "plain");
	}
	char cwd[PATH_MAX];
	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : error_name(errno));
}

/* --- what is inherited -------------------------------------------------------------------------- */

static void
attack_inherited(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 1 };
	struct rlimit limit;
	sigset_t blocked, pending;
	char text[64] = "";
	stack_t alternative;

	(void)argc, (void)argv;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	sigpending(&pending);
	for (int number = 1; number < 65; number++) {
		struct sigaction action;
		if (sigismember(&blocked, number) == 1)
			printf("blocked %d\n", number);
		if (sigismember(&pending, number) == 1)
			printf("pending %d\n", number);
		if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
			printf("ignored %d\n", number);
	}
	mode_t mask = umask(0);
	printf("umask %03o\n", (unsigned)mask);
	printf("nice %d policy %ld personality %lx\n", getpriority(PRIO_PROCESS, 0), syscall(SYS_sched_getscheduler, 0),
	    syscall(SYS_personality, 0xffffffff));
	printf("session %s group %s\n", getsid(0) == getpid() ? "own" : "inherited",
	    getpgrp() == getpid() ? "own" : "inherited");
	say("realtime", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param));
	say("raise nice", setpriority(PRIO_PROCESS, 0, -20));
	int fd = open("/proc/self/oom_score_adj", O_RDWR);
	(void)!read(fd, text, sizeof(text) - 1);
	printf("oom_score_adj %s", text);
	say("lower oom_score_adj", write(fd, "0", 1));
	close(fd);
	getrlimit(RLIMIT_CORE, &limit);
	printf("core %s\n", limit.rlim_cur <= 1 && limit.rlim_max <= 1 ? "none" : "some");
	getrlimit(RLIMIT_MEMLOCK, &limit);
	printf("memlock %lu\n", (unsigned long)limit.rlim_max);
	sigaltstack(NULL, &alternative);
	printf("altstack %s, dumpable %d, securebits %x\n", alternative.ss_flags & SS_DISABLE ? "none" : "some",
	    prctl(PR_GET_DUMPABLE), prctl(PR_GET_SECUREBITS));
	int deathsig = -1;
	prctl(PR_GET_PDEATHSIG, &deathsig);
	printf("pdeathsig %d subreaper ", deathsig);
	prctl(PR_GET_CHILD_SUBREAPER, &deathsig);
	printf("%d\n", deathsig);
}

/* --- resources ---------------------------------------------------------------------------------- */

static void
attack_fork_bomb(int argc, char **argv)
{
	if (argc > 0) {			/* each one goes on as another program */
		for (;;) {
			if (fork() >= 0 && fork() >= 0)
				execl("/proc/self/exe", "attack", "fork_bomb", "exec", (char *)NULL);
			(void)argv;
		}
	}
	for (;;)
		(void)fork();
}

static void *
sleep_on(void *nothing)
{
	pause();
	return nothing;
}

static void
attack_threads(int argc, char **argv)
{
	pthread_attr_t small;
	pthread_t thread;
	int n = 0, error;

	(void)argc, (void)argv;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	while (!(error = pthread_create(&thread, &small, sleep_on, NULL)))
		n++;
	printf("%s\n%s\n", error_name(error), n < 129 ? "bounded" : "many");
}

static void
attack_forks(int argc, char **argv)
{
	int n = 0, pid;

	(void)argc, (void)argv;
	while ((pid = fork()) > 0)
		n++;
	if (pid == 0)
		for (;;)
			pause();
	printf("%s\n%s\n", error_name(errno), n < 129 ? "bounded" : "many");
}

static void
eat_touch(size_t mb)
{
	for (size_t i = 0; i < mb; i++)
		memset(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, 1 << 20);
}

static void
eat_mlock(size_t mb)
{
	for (size_t i = 0; i < mb * 16; i++) {
		void *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mlock(at, 65536))
			memset(at, 1, 65536);
	}
}

static void
eat_memfd(size_t mb)
{
	char page[65536] = { 1 };
	for (size_t i = 0; i < mb; i++) {
		int fd = memfd_create("eaten", 0);
		for (int n = 0; n < 16; n++)
			(void)!write(fd, page, sizeof(page));
	}
}

static void
eat_pipes(size_t mb)
{
	char page[4096] = { 1 };
	for (size_t i = 0; i < mb * 16; i++) {
		int ends[2];
		if (pipe2(ends, O_NONBLOCK))
			return;
		while (write(ends[1], page, sizeof(page)) > 0)
			;
	}
}

/* As many processes as there may be, each with as many sockets as it may have. */
static void
eat_sockets(size_t mb, int family, int type)
{
	static const char packet[32768];
	size_t eaten = 0;

	while (eaten < mb << 20) {
		if (fork() > 0) {
			usleep(200000);
			eaten += 40 * 400000;
			continue;
		}
		for (int i = 0; i < 20; i++) {
			struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
			socklen_t len = sizeof(at);
			int ends[2], much = 1 << 30;
			if (family == AF_UNIX) {
				if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, ends))
					break;
			} else {
				ends[0] = socket(family, type, 0);
				setsockopt(ends[0], SOL_SOCKET, SO_RCVBUF, &much, sizeof(much));
				if (bind(ends[0], (struct sockaddr *)&at, sizeof(at)) ||
				    getsockname(ends[0], (struct sockaddr *)&at, &len))
					break;
				if (type == SOCK_STREAM)
					listen(ends[0], 1);
				ends[1] = socket(family, type, 0);
				setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
				if (connect(ends[1], (struct sockaddr *)&at, len))
					break;
				/* Linux charges a connection to nobody until it is accepted. */
				if (type == SOCK_STREAM)
					(void)!accept(ends[0], NULL, NULL);
				fcntl(ends[1], F_SETFL, O_NONBLOCK);
			}
			setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &much, sizeof(much));
			for (int n = 0; n < 256 && send(ends[1], packet, sizeof(packet), MSG_DONTWAIT) > 0; n++)
				;
		}
		for (;;)
			pause();
	}
}

/* Queues that are bounded by themselves, each with a socket of its own: answers of netlink that nobody reads. */
static void
queue_answers(int fd)
{
	static char bytes[32768];
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)bytes;

	*head = (struct nlmsghdr){ .nlmsg_len = sizeof(bytes), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	for (int i = 0; i < 1000 && send(fd, bytes, sizeof(bytes), 0) > 0; i++)
		;
}

/* And errors of a UDP socket, of a port that nobody listens at. */
static void
queue_errors(int fd)
{
	static char bytes[1024];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	for (int i = 0; i < 4000; i++)
		(void)!sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to));
}

static void
eat_queues(unsigned seconds, int family, void (*fill)(int fd))
{
	int most = 1 << 30;

	for (int child = 0; child < 8; child++) {
		if (fork() != 0)
			continue;
		for (;;) {
			int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
			if (fd < 0)
				pause();
			setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &most, sizeof(most));
			fill(fd);
		}
	}
	sleep(seconds);
}

static void
attack_eat(int argc, char **argv)
{
	size_t mb = argc > 1 ? (size_t)atol(argv[1]) : 200;	/* of queues: seconds */

	if (!strcmp(argv[0], "touch"))
		eat_touch(mb);
	else if (!strcmp(argv[0], "mlock"))
		eat_mlock(mb);
	else if (!strcmp(argv[0], "memfd"))
		eat_memfd(mb);
	else if (!strcmp(argv[0], "pipes"))
		eat_pipes(mb);
	else if (!strcmp(argv[0], "unix"))
		eat_sockets(mb, AF_UNIX, SOCK_DGRAM);
	else if (!strcmp(argv[0], "udp"))
		eat_sockets(mb, AF_INET, SOCK_DGRAM);
	else if (!strcmp(argv[0], "tcp"))
		eat_sockets(mb, AF_INET, SOCK_STREAM);
	else if (!strcmp(argv[0], "answers"))
		eat_queues((unsigned)mb, AF_NETLINK, queue_answers);
	else if (!strcmp(argv[0], "errors"))
		eat_queues((unsigned)mb, AF_INET, queue_errors);
	printf("%s not bounded\n", argv[0]);
}

static void
attack_fill(int argc, char **argv)
{
	static char block[1 << 16];
	char path[PATH_MAX];

	for (int i = 0; i < argc; i++) {
		ssize_t n = 0;
		for (int file = 0; n >= 0 && file < 4096; file++) {
			snprintf(path, sizeof(path), "%s/full-%d", argv[i], file);
			int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
			if (fd < 0) {
				n = -1;
				break;
			}
			for (int blocks = 0; blocks < 64 && (n = write(fd, block, sizeof(block))) > 0; blocks++)
				;
			close(fd);
		}
		say(argv[i], n);
		for (int file = 0; file < 4096; file++) {
			snprintf(path, sizeof(path), "%s/full-%d", argv[i], file);
			if (unlink(path))
				break;
		}
	}
}

static void
attack_inodes(int argc, char **argv)
{
	char path[64];
	int fd = 0, n;

	(void)argc, (void)argv;
	for (n = 0; n < 1 << 21 && fd >= 0; n++) {
		snprintf(path, sizeof(path), "/tmp/inode-%d", n);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
	}
	say("inodes", fd);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/tmp/inode-%d", i);
		(void)unlink(path);
	}
}

static void
attack_sparse(int argc, char **argv)
{
	int fd = open("/tmp/sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);

	(void)argc, (void)argv;
	say("ftruncate", ftruncate(fd, 1l << 40));
	say("fallocate", fallocate(fd, 0, 0, 1l << 40));
	say("pwrite", pwrite(fd, "x", 1, 1l << 40));
	int memory = memfd_create("sparse", 0);
	say("memfd", ftruncate(memory, 1l << 40));
}

static void
attack_fds_exhaust(int argc, char **argv)
{
	int n = 0;

	(void)argc, (void)argv;
	while (dup(0) >= 0)
		n++;
	say("dup", -1);
	for (int fd = 10; fd < 64; fd++)
		close(fd);
	int ends[2], sent = 0;
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends);
	for (; sent < 1 << 16; sent++) {
		char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 }, byte = 0;
		struct iovec data = { &byte, 1 };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
			.msg_controllen = sizeof(control) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int) * 32);
		for (int i = 0; i < 32; i++)
			memcpy(CMSG_DATA(head) + sizeof(int) * (size_t)i, &ends[1], sizeof(int));
		if (sendmsg(ends[0], &message, 0) < 0) {
			if (errno != EAGAIN)
				break;
			/* This socket is full: the next one. */
			if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends))
				break;
		}
	}
	say("in flight", -1);
	printf("%s\n", n < 64 && sent * 32 < 65536 ? "bounded" : "many");
}

/* Quotas that a uid has as a whole: prints how much of each can be had. */
static void
attack_quotas(int argc, char **argv)
{
	int instances = 0, queues = 0, pipes = 0, signals = 0;
	sigset_t late;
	(void)argc, (void)argv;
	/* Pages that pipes may have (fs.pipe-user-pages-soft), and signals that wait. */
	for (int ends[2]; pipes < 512 && pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) >= 0; pipes++)
		;
	sigemptyset(&late);
	sigaddset(&late, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &late, NULL);
	while (signals < 1 << 18 && sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
		signals++;
	while (instances < 4096 && inotify_init1(IN_CLOEXEC) >= 0)
		instances++;
	for (int fd = 3; fd < 4096 && argc == 0; fd++)
		close(fd);
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	for (; queues < 1024; queues++) {
		char name[32];
		snprintf(name, sizeof(name), "/queue-%d", queues);
		if (mq_open(name, O_RDWR | O_CREAT, 0600, &attr) == (mqd_t)-1)
			break;
	}
	printf("inotify %d\nmqueue %d\npipes %d\nsignals %d\n", instances, queues, pipes, signals);
	fflush(stdout);
	if (argc > 0)
		sleep((unsigned)atoi(argv[0]));
}

static void
attack_spin(int argc, char **argv)
{
	int n = argc > 0 ? atoi(argv[0]) : 8;

	signal(SIGTERM, SIG_IGN);
	signal(SIGXCPU, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (n-- > 1 && fork() > 0)
		;
	for (;;)
		;
}

/* Memory without a name that one run fills and another of its session goes on holding: `give MB`, and `take N` for so many. */
static void
attack_lend(int argc, char **argv)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "@lend");
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'x';
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), n = argc > 1 ? atoi(argv[1]) : 0;

	if (!strcmp(argv[0], "give")) {
		static char chunk[1 << 20];
		int file = memfd_create("lent", 0), i = 0;
		memset(chunk, 'l', sizeof(chunk));
		while (n-- > 0)
			if (write(file, chunk, sizeof(chunk)) != sizeof(chunk))
				_exit(1);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(file));
		memcpy(CMSG_DATA(head), &file, sizeof(file));
		while (connect(fd, (struct sockaddr *)&name, len) && i++ < 200)
			usleep(20000);
		say("give", sendmsg(fd, &message, 0));
		/* Until it has been taken. */
		(void)!read(fd, &byte, 1);
		return;
	}
	off_t held = 0;
	bind(fd, (struct sockaddr *)&name, len);
	listen(fd, 1);
	for (int i = 0; i < n; i++) {
		int file, peer = accept(fd, NULL, NULL);
		if (recvmsg(peer, &message, 0) != 1)
			_exit(1);
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(file));
		(void)!write(peer, "", 1);
		close(peer);
		/* Its end is where its giver left it. */
		held += lseek(file, 0, SEEK_END);
		if (pread(file, &byte, 1, held > 0 ? 0 : 1) != 1 || byte != 'l')
			_exit(1);
	}
	printf("%lld MB held\n", (long long)(held >> 20));
}

enum { WAKERS_MAX = 64 };

static int wakers[WAKERS_MAX][2];

static void *
wake_other(void *own)
{
	size_t i = (uintptr_t)own;
	char byte;

	while (read(wakers[i][0], &byte, 1) == 1 && write(wakers[i ^ 1][1], &byte, 1) == 1)
		;
	return NULL;
}

/* So many threads, each two of which wake each other by pipes all the time. */
static void
attack_wake(int argc, char **argv)
{
	size_t n = argc > 0 ? (size_t)atoi(argv[0]) & ~(size_t)1 : 0;
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384);
	if (!n)
		_exit(1);
	for (size_t i = 0; i < n && i < WAKERS_MAX; i++)
		if (pipe(wakers[i]))
			_exit(1);
	for (size_t i = 0; i < n && i < WAKERS_MAX; i++)
		if (pthread_create(&thread, &small, wake_other, (void *)i) || write(wakers[i][1], "", 1) != 1)
			_exit(1);
	for (;;)
		pause();
}

static void
attack_stall(int argc, char **argv)
{
	(void)argc, (void)argv;
	signal(SIGTERM, SIG_IGN);
	if (vfork() == 0) {
		kill(getpid(), SIGSTOP);
		_exit(0);
	}
	for (;;)
		pause();
}

static void
attack_stop(int argc, char **argv)
{
	(void)argc, (void)argv;
	if (fork() == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		kill(getpid(), SIGSTOP);
	}
	kill(getpid(), SIGSTOP);
	for (;;)
		pause();
}

/* The command's end is told to who traces it first, and to pid 1 when that one has waited: which it never does. */
static void
attack_hide(int argc, char **argv)
{
	pid_t command = getpid();
	int ready[2];
	char result = 0;

	(void)argc, (void)argv;
	(void)prctl(PR_SET_PTRACER, -1L);
	if (pipe(ready) || fork() == 0) {
		result = ptrace(PTRACE_SEIZE, command, 0, 0) ? 'n' : 'y';
		(void)!write(ready[1], &result, 1);
		for (;;)
			pause();
	}
	(void)!read(ready[0], &result, 1);
	printf("%s\n", result == 'y' ? "traced" : "not traced");
	fflush(stdout);
	_exit(3);
}

static void
attack_crash(int argc, char **argv)
{
	(void)argc, (void)argv;
	struct rlimit some = { RLIM_INFINITY, RLIM_INFINITY }, none = { 0, 0 }, now, *low;
	(void)chdir("/tmp");
	prctl(PR_SET_DUMPABLE, 1);
	(void)setrlimit(RLIMIT_CORE, &some);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)syscall(SYS_setrlimit, RLIMIT_CORE, &none);
	/* At an address whose low half is zero, where a filter may see no pointer at all. */
	low = mmap((void *)0x4200000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*low = none;
	(void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, low, NULL);
	(void)syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, &none, NULL);
	getrlimit(RLIMIT_CORE, &now);
	printf("core %lu %lu\n", (unsigned long)now.rlim_cur, (unsigned long)now.rlim_max);
	fflush(stdout);
	pid_t pid = fork();
	int status = 0;
	if (pid == 0)
		abort();
	waitpid(pid, &status, 0);
	printf("%s\n", WCOREDUMP(status) ? "dumped" : "no core");
}

/* --- lifetime ------------------------------------------------------------------------------------ */

static void
attack_daemon(int argc, char **argv)
{
	int running[2], n = 0;
	char letter;

	(void)argc;
	if (pipe(running))
		return;
	for (int i = 0; i < 3; i++) {
		if (fork() > 0)
			continue;
		setsid();
		if (fork() > 0)
			_exit(0);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		dup2(running[1], 1);
		close(running[0]);
		execl("/bin/sh", "sh", "-c", "echo; exec >/dev/null; while :; do sleep 1; done", argv[0], (char *)NULL);
		_exit(1);
	}
	while (n < 3 && read(running[0], &letter, 1) == 1)
		n++;
	printf("%d left\n", n);
}

/* A busy machine may leave as many dying ones as there may be: that passes, unless nobody reaps them. */
static pid_t
fork_patiently(void)
{
	pid_t pid = fork();

	for (int i = 0; pid < 0 && errno == EAGAIN && i < 500; i++) {
		usleep(10000);
		pid = fork();
	}
	return pid;
}

static void
attack_orphans(int argc, char **argv)
{
	(void)argc, (void)argv;
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork_patiently();
		if (pid == 0)
			_exit(fork_patiently() < 0);
		int status = 0;
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
			printf("no process after %d\n", i);
			return;
		}
	}
	printf("all reaped\n");
}

/* --- neighbours ---------------------------------------------------------------------------------- */

static void
attack_signal(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		pid_t pid = (pid_t)atoi(argv[i]);
		say("kill", kill(pid, 0));
		say("ptrace", ptrace(PTRACE_SEIZE, pid, 0, 0));
		say("prlimit", prlimit(pid, RLIMIT_CPU, NULL, NULL));
		say("getpgid", getpgid(pid));
		say("pidfd_open", syscall(434, pid, 0));
	}
}

/* Names of every kind that two sandboxes could meet at: taken, or looked for. */
static void
attack_meet(int argc, char **argv)
{
	struct sockaddr_un name;
	int make = argc > 0 && !strcmp(argv[0], "make");
	int flags = make ? O_CREAT | O_RDWR : O_RDWR;
	socklen_t len = unix_name(&name, "@meet");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(47114),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int inet = socket(AF_INET, SOCK_STREAM, 0);
	if (make) {
		say("abstract", bind(fd, (struct sockaddr *)&name, len) || listen(fd, 1) ? -1 : 0);
		say("port", bind(inet, (struct sockaddr *)&port, sizeof(port)) || listen(inet, 1) ? -1 : 0);
	} else {
		say("abstract", connect(fd, (struct sockaddr *)&name, len));
		say("port", connect(inet, (struct sockaddr *)&port, sizeof(port)));
	}
	say("sysv shm", shmget(0x4d454554, 4096, make ? IPC_CREAT | 0666 : 0666));
	say("posix shm", shm_open("/meet", flags, 0666));
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	say("mqueue", mq_open("/meet", flags, 0666, &attr));
	say("file", open("/tmp/meet", flags, 0666));
	if (make)
		sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 3);
}

/* Gives descriptors 1 and 2 to who connects to an abstract name, or takes them and holds them for some seconds. */
static void
attack_pass(int argc, char **argv)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "@pass");
	char control[CMSG_SPACE(sizeof(int) * 2)] = { 0 }, byte = 'x';
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), seconds = argc > 1 ? atoi(argv[1]) : 5;

	if (!strcmp(argv[0], "give")) {
		int standard[2] = { 1, 2 };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(standard));
		memcpy(CMSG_DATA(head), standard, sizeof(standard));
		int i = 0;
		while (connect(fd, (struct sockaddr *)&name, len) && i++ < 200)
			usleep(20000);
		say("give", sendmsg(fd, &message, 0));
		usleep(300000);
		return;
	}
	bind(fd, (struct sockaddr *)&name, len);
	listen(fd, 1);
	int peer = accept(fd, NULL, NULL);
	recvmsg(peer, &message, 0);
	int got[2];
	memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
	static char flood[65536];
	memset(flood, 'f', sizeof(flood));
	for (int i = 0; i < seconds * 100; i++) {
		struct pollfd one = { .fd = got[0], .events = POLLOUT };
		signal(SIGPIPE, SIG_IGN);
		if (argc > 2 && poll(&one, 1, 0) > 0)
			(void)!write(got[0], flood, sizeof(flood));
		else
			usleep(10000);
		usleep(argc > 2 ? 1000 : 0);
	}
	printf("held\n");
}

/* Leaves a message queue behind, and makes and removes others until the ids have come round to where they were: whoever looks
 * only at what the next id is sees nothing. */
static void
attack_plant(int argc, char **argv)
{
	int first = msgget(IPC_PRIVATE, 0600), id;
	long n = 0;

	if (argc > 0 && !strcmp(argv[0], "look")) {
		say("queue", msgget(0x504c4e54, 0600));
		return;
	}
	if (first < 0 || msgctl(first, IPC_RMID, NULL) || msgget(0x504c4e54, IPC_CREAT | 0600) < 0) {
		say("msgget", -1);
		return;
	}
	do {
		id = msgget(IPC_PRIVATE, 0600);
		if (id < 0 || msgctl(id, IPC_RMID, NULL)) {
			say("msgget", -1);
			return;
		}
	} while (id != first - 1 && ++n < 1l << 23);
	sleep(2);			/* until the kernel has freed what was charged */
	printf("%s\n", id == first - 1 ? "round" : "not round");
}

/* --- what the whole host has one of --------------------------------------------------------------- */

static void
attack_shared(int argc, char **argv)
{
	struct sock_filter code[] = { { 6, 0, 0, 0xffff } };
	struct sock_fprog program = { 1, code };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), zero = 0;

	(void)argc, (void)argv;
	say("SO_ATTACH_FILTER", setsockopt(fd, SOL_SOCKET, 26, &program, sizeof(program)));
	say("SO_ATTACH_REUSEPORT_CBPF", setsockopt(fd, SOL_SOCKET, 51, &program, sizeof(program)));
	say("SO_ATTACH_BPF", setsockopt(fd, SOL_SOCKET, 50, &zero, sizeof(zero)));
	long at = syscall(SYS_mmap, NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000, -1, 0);
	say("MAP_HUGETLB", at == -1 ? -1 : 0);
	say("MFD_HUGETLB", syscall(SYS_memfd_create, "huge", 4));
	say("SHM_HUGETLB", shmget(IPC_PRIVATE, 2 << 20, IPC_CREAT | 04000 | 0600));
}

/* Has what is in memory of a file dropped. */
static void
attack_drop(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		say("advice", syscall(SYS_fadvise64, fd, 0, 0, 4));
		say("advice with the high half set", syscall(SYS_fadvise64, fd, 0, 0, 1l << 32 | 4));
		void *at = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
		(void)madvise(at, 1 << 20, 4);
		(void)madvise(at, 1 << 20, 9);
		(void)madvise(at, 1 << 20, 21);	/* DONTNEED, REMOVE, PAGEOUT */
		munmap(at, 1 << 20);
	}
}

/* Filters of one's own, as long as they may be, by processes that live on: the kernel compiles each, into a store that no limit
 * counts and that all of the host's filters are in. No more than a hundred are tried, and none is left without an end. */
static void
attack_filters(int argc, char **argv)
{
	enum { LONGEST = 4096, PROCESSES = 20, EACH = 5 };
	static struct sock_filter code[LONGEST];
	struct sock_fprog program = { LONGEST, code };
	int n = 0, told[2], error = 0;

	(void)argc, (void)argv;
	code[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	for (int i = 1; i < LONGEST - 1; i++)
		code[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0x7fffffff);
	code[LONGEST - 1] = code[0];
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || pipe(told))
		return;
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();
		if (pid < 0)
			error = errno;
		if (pid != 0)
			continue;
		for (int k = 0; k < EACH; k++) {
			/* By both calls, also with what the kernel does not look at set. */
			long result = k == 0 ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) :
			    k == 1 ? syscall(SYS_seccomp, 1l << 32 | SECCOMP_SET_MODE_FILTER, 0, &program) :
			    k == 2 ? syscall(SYS_prctl, 1l << 32 | PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) :
			    syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
			int what = result ? errno : 0;
			(void)!write(told[1], &what, sizeof(what));
		}
		for (;;)
			pause();
	}
	for (int i = 0, what; i < PROCESSES * EACH && !error && read(told[0], &what, sizeof(what)) > 0; i++) {
		n += what == 0;
		if (what && what != EINVAL)
			error = what;
	}
	printf("%d filters, %s\n", n, error ? error_name(error) : "and no error but EINVAL");
}

/* --- files ----------------------------------------------------------------------------------------- */

/* Swaps a name between a directory (or file) and a link to elsewhere, as fast as it goes, for some seconds. */
static void
attack_swap(int argc, char **argv)
{
	const char *name = argv[0], *link_to = argv[1];
	int seconds = argc > 2 ? atoi(argv[2]) : 3;
	char other[PATH_MAX];
	struct timespec now, end;

	snprintf(other, sizeof(other), "%s.other", name);
	(void)unlink(other);
	(void)symlink(link_to, other);
	printf("swapping\n");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	do {
		for (int i = 0; i < 1000; i++)
			(void)syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, other, 2);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
}

static void
attack_deep(int argc, char **argv)
{
	int depth = atoi(argv[0]), i;

	(void)argc;
	if (chdir("/tmp"))
		return;
	for (i = 0; i < depth && !mkdir("d", i % 7 == 3 ? 0777 : 0755) && !chdir("d"); i++)
		;
	printf("%d deep\n", i);
}

static const struct attack {
	const char *name;
	void (*run)(int argc, char **argv);
} attacks[] = {
	{ "mount", attack_mount }, { "chroot", attack_chroot }, { "device", attack_device },
	{ "namespace", attack_namespace }, { "kernel", attack_kernel }, { "machine", attack_machine },
	{ "socket", attack_socket }, { "terminal", attack_terminal }, { "init", attack_init },
	{ "open", attack_paths }, { "read", attack_read }, { "write", attack_write },
	{ "read_only", attack_read_only }, { "connect", attack_connect },
	{ "connect_unix", attack_connect_unix }, { "send_unix", attack_send_unix }, { "gain", attack_gain }, { "fds", attack_fds },
	{ "inherited", attack_inherited }, { "fork_bomb", attack_fork_bomb }, { "threads", attack_threads },
	{ "forks", attack_forks }, { "eat", attack_eat }, { "fill", attack_fill },
	{ "inodes", attack_inodes }, { "sparse", attack_sparse }, { "fds_exhaust", attack_fds_exhaust },
	{ "quotas", attack_quotas }, { "spin", attack_spin }, { "stall", attack_stall },
	{ "stop", attack_stop }, { "hide", attack_hide }, { "crash", attack_crash }, { "daemon", attack_daemon }, { "wake", attack_wake }, { "lend", attack_lend },
	{ "orphans", attack_orphans }, { "signal", attack_signal }, { "meet", attack_meet },
	{ "pass", attack_pass }, { "shared", attack_shared }, { "filters", attack_filters }, { "change", attack_change }, { "drop", attack_drop }, { "swap", attack_swap },
	{ "deep", attack_deep }, { "plant", attack_plant },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, argv[1]))
			continue;
		attacks[i].run(argc - 2, argv + 2);
		return 0;
	}
	fprintf(stderr, "attack: no such attack\n");
	return 2;
}
