/* reuse.c - what a run could leave behind for the next one in the same sandbox, and a look at all that can be seen there
 *
 * `reuse look` prints everything that a later run could tell an earlier one by; two looks in one sandbox that differ are a
 * leak. All else is an attack: it leaves something, or takes it away again so that only a trace is left. The program is
 * the command itself and starts no process unless the attack is to do so: starting one is a trace of its own. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* Of linux/in6.h, which cannot be had together with netinet/in.h everywhere. */
struct flow_label_request {
	struct in6_addr address;
	uint32_t label;
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};
enum { FLOW_LABEL_MANAGER = 32, FLOW_LABEL_GET = 0, FLOW_LABEL_CREATE = 1, FLOW_LABEL_ANY = 255 };

static const char *const directories[] = {
	"/", "/tmp", "/home", "/home/user", "/run", "/run/shm", "/var", "/var/tmp", "/dev", "/dev/pts", "/dev/mqueue",
};
enum { DIRECTORIES_LEN = sizeof(directories) / sizeof(directories[0]) };

static void
need(bool done, const char *what)
{
	if (!done) {
		printf("%s: %s\n", what, strerror(errno));
		exit(3);
	}
}

/* --- the look ----------------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
look_at(const char *path)
{
	struct stat stat;
	char names[4096];

	if (lstat(path, &stat)) {
		printf("%s %s\n", path, strerror(errno));
		return;
	}
	printf("%s mode %o owner %u:%u links %lu size %lld atime %lld.%09ld mtime %lld.%09ld ctime %lld.%09ld\n", path,
	    stat.st_mode, stat.st_uid, stat.st_gid, (unsigned long)stat.st_nlink,
	    S_ISDIR(stat.st_mode) || S_ISREG(stat.st_mode) ? (long long)stat.st_size : 0,
	    (long long)stat.st_atim.tv_sec, stat.st_atim.tv_nsec, (long long)stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec,
	    (long long)stat.st_ctim.tv_sec, stat.st_ctim.tv_nsec);
	ssize_t n = llistxattr(path, names, sizeof(names));
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1)
		printf("%s xattr %s\n", path, names + at);
}

static void
look_into(const char *directory)
{
	char *names[256], path[512];
	size_t len = 0;
	DIR *list = opendir(directory);
	struct dirent *entry;

	look_at(directory);
	while (list && len < 256 && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			names[len++] = strdup(entry->d_name);
	if (list)
		closedir(list);
	qsort(names, len, sizeof(names[0]), by_name);
	for (size_t i = 0; i < len; i++) {
		snprintf(path, sizeof(path), "%s/%s", strcmp(directory, "/") ? directory : "", names[i]);
		/* /dev/tty is all sandboxes' together. */
		if (strcmp(path, "/proc") && strcmp(path, "/dev/tty"))
			look_at(path);
	}
}

/* What these tell of the whole host, other sandboxes move: TCP's and UDP's memory. */
static void
look_into_text(const char *path, bool is_sockstat)
{
	char text[65536], *at = text;
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[n] = '\0';
	printf("%s:", path);
	while (is_sockstat && (at = strpbrk(at, "oam"))) {
		static const char *const host[] = { "orphan ", "alloc ", "mem " };
		size_t i = 0;
		while (i < 3 && strncmp(at, host[i], strlen(host[i])))
			i++;
		at += i < 3 ? strlen(host[i]) : 1;
		while (i < 3 && *at >= '0' && *at <= '9')
			*at++ = '-';
		if (i < 3)		/* a number grows a digit */
			while (at[-1] == '-' && at[-2] == '-')
				memmove(at - 2, at - 1, strlen(at - 1) + 1), at--;
	}
	printf(" %s\n", text);
}

static void
look_at_ipc(void)
{
	struct shm_info shm = { 0 };
	struct shmid_ds shm_ds;
	struct seminfo sem = { 0 };
	struct msginfo msg = { 0 };
	struct msqid_ds msg_ds;
	union { int value; struct seminfo *info; } argument = { .info = &sem };

	memcpy(&shm_ds, &shm, sizeof(shm) < sizeof(shm_ds) ? sizeof(shm) : sizeof(shm_ds));
	(void)shmctl(0, SHM_INFO, &shm_ds);
	memcpy(&shm, &shm_ds, sizeof(shm));
	(void)semctl(0, 0, SEM_INFO, argument);
	(void)msgctl(0, MSG_INFO, &msg_ds);
	memcpy(&msg, &msg_ds, sizeof(msg));
	printf("ipc shm %d sem %d msg %d\n", shm.used_ids, sem.semusz, msg.msgpool);
}

static void
look_at_processes(void)
{
	DIR *list = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (list && (entry = readdir(list)))
		n += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	if (list)
		closedir(list);
	printf("processes %d\n", n);
}

static void
look_at_self(void)
{
	char line[512];
	struct utsname name;
	struct itimerval timer;
	cpu_set_t cores;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "Sig", 3) || !strncmp(line, "Shd", 3) || !strncmp(line, "Cap", 3) ||
		    !strncmp(line, "Uid", 3) || !strncmp(line, "Gid", 3) || !strncmp(line, "Groups", 6) ||
		    !strncmp(line, "Threads", 7) || !strncmp(line, "Seccomp", 7) || !strncmp(line, "NoNew", 5))
			fputs(line, stdout);
	if (status)
		fclose(status);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		if (!getrlimit(i, &limit))
			printf("rlimit %d %llu %llu\n", i, (unsigned long long)limit.rlim_cur,
			    (unsigned long long)limit.rlim_max);
	}
	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("fd %d\n", fd);
	uname(&name);
	(void)sched_getaffinity(0, sizeof(cores), &cores);
	(void)getitimer(ITIMER_REAL, &timer);
	mode_t mask = umask(0);
	printf("umask %o nice %d cores %d slack %d alarm %ld session %d name %s.%s\n", mask, getpriority(PRIO_PROCESS, 0),
	    CPU_COUNT(&cores), prctl(PR_GET_TIMERSLACK), (long)timer.it_value.tv_sec, getsid(0) == getpid(),
	    name.nodename, name.domainname);
	for (char **variable = environ; *variable; variable++)
		puts(*variable);
}

/* A namespace's number is soon given to another one: when it was made belongs to its name, by a directory that is not ours to
 * change. */
static void
print_sandbox(void)
{
	char name[64] = "";
	struct stat stat;

	need(readlink("/proc/self/ns/pid", name, sizeof(name) - 1) > 0, "readlink");
	need(!lstat("/dev/pts", &stat), "stat");
	printf("%s@%lld.%09ld\n", name, (long long)stat.st_ctim.tv_sec, stat.st_ctim.tv_nsec);
}

static void
look(void)
{
	static const char *const texts[] = {
		"/proc/net/sockstat", "/proc/net/sockstat6", "/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6",
		"/proc/net/netstat", "/proc/net/ip6_flowlabel", "/proc/net/unix", "/proc/net/tcp", "/proc/net/tcp6",
		"/proc/net/udp", "/proc/net/udp6", "/proc/net/raw", "/proc/net/igmp", "/proc/net/igmp6",
		"/proc/net/mcfilter", "/proc/net/mcfilter6", "/proc/net/arp", "/proc/net/route", "/proc/net/ipv6_route",
		"/proc/net/nf_conntrack", "/proc/net/nf_conntrack_expect", "/proc/sys/net/netfilter/nf_conntrack_count",
		"/proc/net/if_inet6", "/proc/net/fib_triestat", "/proc/net/icmp", "/proc/net/dev_mcast", "/proc/sysvipc/shm",
		"/proc/sysvipc/sem", "/proc/sysvipc/msg", "/proc/sys/kernel/shmmax", "/proc/sys/kernel/msgmax",
		"/proc/sys/kernel/sem", "/proc/sys/kernel/hostname", "/proc/sys/kernel/shm_next_id",
		"/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/net/ipv4/ip_default_ttl",
		"/proc/sys/net/ipv4/ping_group_range", "/proc/sys/net/ipv6/conf/all/forwarding",
		"/proc/sys/fs/mqueue/queues_max", "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/oom_score_adj",
		"/proc/self/uid_map", "/proc/self/limits", "/proc/self/coredump_filter", "/proc/self/timerslack_ns",
	};
	struct statfs disk;

	print_sandbox();
	for (size_t i = 0; i < DIRECTORIES_LEN; i++)
		look_into(directories[i]);
	need(!statfs("/", &disk), "statfs");
	printf("disk %llu %llu %llu %llu\n", (unsigned long long)disk.f_blocks, (unsigned long long)disk.f_bfree,
	    (unsigned long long)disk.f_files, (unsigned long long)disk.f_ffree);
	look_at_ipc();
	look_at_processes();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		look_into_text(texts[i], strstr(texts[i], "sockstat") != NULL);
	look_at_self();
}

/* --- /proc: when an entry was first looked up ----------------------------------------------------- */

static const char *const entries[] = {
	"/proc/cpuinfo", "/proc/devices", "/proc/fb", "/proc/interrupts", "/proc/version", "/proc/sys/kernel/ostype",
	"/proc/sys/vm/swappiness", "/proc/sys/net/ipv4/ip_forward", "/proc/sysvipc/shm", "/proc/tty/drivers",
	"/proc/fs", "/proc/driver",
};

static void
proc_lookup(void)
{
	struct stat stat;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		(void)lstat(entries[i], &stat);
}

static void
proc_seen(void)
{
	struct timespec start;
	struct stat stat;

	/* A tick is forgiven: the clock of file times moves by ticks. */
	clock_gettime(CLOCK_REALTIME_COARSE, &start);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (lstat(entries[i], &stat))
			continue;
		int64_t ms = (start.tv_sec - stat.st_mtim.tv_sec) * 1000 + (start.tv_nsec - stat.st_mtim.tv_nsec) / 1000000;
		if (ms > 20)
			printf("%s was looked up %lld ms before\n", entries[i], (long long)ms);
	}
}

/* --- network ------------------------------------------------------------------------------------ */

static int
unix_named(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	need(fd >= 0 && !bind(fd, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))), "bind");
	return fd;
}

static void
unix_name(void)
{
	(void)unix_named("left");
}

static void
send_fd(int over, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	need(sendmsg(over, &message, 0) == 1, "sendmsg");
}

/* Two sockets, each in flight to the other: nobody holds them when the program has ended, but the kernel's own collector has
 * to find them. A third with a name goes along. */
static void
unix_cycle(void)
{
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
	int named = unix_named("in-flight");
	send_fd(pair[0], pair[0]);
	send_fd(pair[1], pair[1]);
	send_fd(pair[0], named);
}

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void
tcp_listen(void)
{
	struct sockaddr_in address = loopback(4000);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	need(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 5), "listen");
}

/* A connection whose one end waits in TIME_WAIT when the program has ended. */
static void
tcp_time_wait(void)
{
	struct sockaddr_in address = loopback(4001);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	need(!bind(listener, (struct sockaddr *)&address, sizeof(address)) && !listen(listener, 5) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	int other = accept(listener, NULL, NULL);
	need(other >= 0, "accept");
	close(fd);
	close(other);
}

static void
tcp_refused(void)
{
	struct sockaddr_in address = loopback(4002);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	need(connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno == ECONNREFUSED, "connect");
}

static void
udp_send(void)
{
	struct sockaddr_in address = loopback(4003);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	need(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1, "sendto");
}

/* Sockets of all kinds that send nothing. */
static void
sockets(void)
{
	struct sockaddr_in address = loopback(4004);
	struct sockaddr_in6 address6 = { .sin6_family = AF_INET6, .sin6_port = htons(4004), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int fd6 = socket(AF_INET6, SOCK_DGRAM, 0);

	need(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address)), "udp");
	(void)connect(fd6, (struct sockaddr *)&address6, sizeof(address6));
	(void)socket(AF_INET6, SOCK_STREAM, 0);
	(void)socket(AF_NETLINK, SOCK_RAW, 0);
}

/* A membership makes the kernel send reports, some of them after the socket is gone. */
static void
multicast(void)
{
	struct ip_mreqn group = { .imr_multiaddr.s_addr = htonl(0xe1010101), .imr_ifindex = 1 };
	struct ipv6_mreq group6 = { .ipv6mr_interface = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), fd6 = socket(AF_INET6, SOCK_DGRAM, 0);

	inet_pton(AF_INET6, "ff02::1234", &group6.ipv6mr_multiaddr);
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		printf("join: %s\n", strerror(errno));
	if (setsockopt(fd6, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group6, sizeof(group6)))
		printf("join6: %s\n", strerror(errno));
}

static void
flow_label(void)
{
	struct flow_label_request request = {
		.address = IN6ADDR_LOOPBACK_INIT, .label = htonl(0x12345), .action = FLOW_LABEL_GET,
		.share = FLOW_LABEL_ANY, .flags = FLOW_LABEL_CREATE, .expires = 60, .linger = 60,
	};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	need(!setsockopt(fd, IPPROTO_IPV6, FLOW_LABEL_MANAGER, &request, sizeof(request)), "flow label");
}

/* --- SysV and POSIX ipc -------------------------------------------------------------------------- */

static int times = 1;

static void
shm_left(void)
{
	need(shmget(0x1234, 4096, IPC_CREAT | 0666) >= 0, "shmget");
}

static void
sem_left(void)
{
	need(semget(0x1234, 1, IPC_CREAT | 0666) >= 0, "semget");
}

static void
msg_left(void)
{
	need(msgget(0x1234, IPC_CREAT | 0666) >= 0, "msgget");
}

static void
shm_gone(void)
{
	for (int i = 0; i < times; i++)
		need(!shmctl(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666), IPC_RMID, NULL), "shmget");
}

static void
sem_gone(void)
{
	for (int i = 0; i < times; i++)
		need(!semctl(semget(IPC_PRIVATE, 1, IPC_CREAT | 0666), 0, IPC_RMID), "semget");
}

static void
msg_gone(void)
{
	for (int i = 0; i < times; i++)
		need(!msgctl(msgget(IPC_PRIVATE, IPC_CREAT | 0666), IPC_RMID, NULL), "msgget");
}

/* Ids repeat after 64 slots have gone round 65,535 times: a queue is left, and the next id is the one that it would have been. */
static void
msg_round(void)
{
	int first = msgget(IPC_PRIVATE, IPC_CREAT | 0666), id;

	need(first >= 0 && !msgctl(first, IPC_RMID, NULL), "msgget");
	need(msgget(0x1234, IPC_CREAT | 0666) >= 0, "msgget");
	do {
		id = msgget(IPC_PRIVATE, IPC_CREAT | 0666);
		need(id >= 0 && !msgctl(id, IPC_RMID, NULL), "msgget");
	} while (id != first - 1);
	sleep(2);	/* what was freed is charged for a while */
}

static void
mq_left(void)
{
	need(mq_open("/left", O_CREAT | O_RDWR, 0666, NULL) != (mqd_t)-1, "mq_open");
}

static void
mq_gone(void)
{
	mq_left();
	need(!mq_unlink("/left"), "mq_unlink");
}

/* --- files -------------------------------------------------------------------------------------- */

static const char *place = "/tmp";

static int
make_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
	need(fd >= 0, path);
	return fd;
}

static void
file_left(void)
{
	need(write(make_file("left"), "x", 1) == 1, "write");
}

static void
file_gone(void)
{
	char path[512];

	file_left();
	snprintf(path, sizeof(path), "%s/left", place);
	need(!unlink(path), "unlink");
}

/* Made, and its times put back to what they were. */
static void
file_hidden(void)
{
	struct stat before;

	need(!stat(place, &before), "stat");
	file_gone();
	struct timespec both[2] = { before.st_atim, before.st_mtim };
	need(!utimensat(AT_FDCWD, place, both, 0), "utimensat");
}

static void
file_unnamed(void)
{
	int fd = open(place, O_TMPFILE | O_RDWR, 0666);

	need(fd >= 0 && !ftruncate(fd, 1 << 20), "O_TMPFILE");
}

static void
hard_link(void)
{
	char from[512], to[512];

	file_left();
	snprintf(from, sizeof(from), "%s/left", place);
	snprintf(to, sizeof(to), "%s/right", place);
	need(!link(from, to) && !unlink(from) && !unlink(to), "link");
}

/* Deep below, where no ctime of a directory that was there before changes any more. */
static void
file_deep(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/deep", place);
	need(!mkdir(path, 0777), "mkdir");
	place = path;
	file_left();
}

static void
mode_changed(void)
{
	struct stat before;

	need(!stat(place, &before) && !chmod(place, 0700) && !chmod(place, before.st_mode & 07777), "chmod");
}

static void
times_changed(void)
{
	struct timespec both[2] = { { .tv_sec = 1 }, { .tv_nsec = UTIME_OMIT } };

	need(!utimensat(AT_FDCWD, place, both, 0), "utimensat");
}

static void
xattr_changed(void)
{
	if (setxattr(place, "user.left", "x", 1, 0)) {
		need(errno == ENOTSUP, "setxattr");
		puts("no xattr here");
	}
}

static void
flags_changed(void)
{
	int fd = open(place, O_RDONLY | O_DIRECTORY), flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		puts("no flags here");
		return;
	}
	flags ^= FS_NODUMP_FL;
	need(!ioctl(fd, FS_IOC_SETFLAGS, &flags), "FS_IOC_SETFLAGS");
}

/* What is not its own, a program cannot change. */
static void
not_its_own(void)
{
	static const char *const paths[] = {
		"/bin", "/lib", "/usr", "/etc", "/dev", "/proc", "/dev/pts", "/dev/pts/ptmx", "/dev/mqueue", "/dev/null",
		"/proc/sys", "/attacks",
	};
	struct timespec both[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (!utimensat(AT_FDCWD, paths[i], both, AT_SYMLINK_NOFOLLOW))
			printf("utimensat %s\n", paths[i]);
		if (!lchown(paths[i], getuid(), getgid()))
			printf("lchown %s\n", paths[i]);
		if (!lsetxattr(paths[i], "user.left", "x", 1, 0))
			printf("lsetxattr %s\n", paths[i]);
	}
}

static void
reading(void)
{
	char target[256];

	for (size_t i = 0; i < DIRECTORIES_LEN; i++) {
		DIR *list = opendir(directories[i]);
		while (list && readdir(list))
			;
		if (list)
			closedir(list);
	}
	(void)!readlink("/bin", target, sizeof(target));
	(void)!readlink("/dev/fd", target, sizeof(target));
}

static void
locks(void)
{
	for (size_t i = 0; i < DIRECTORIES_LEN; i++) {
		int fd = open(directories[i], O_RDONLY | O_DIRECTORY);
		if (fd >= 0)
			need(!flock(fd, LOCK_EX | LOCK_NB), "flock");
	}
}

/* --- processes, clocks, memory -------------------------------------------------------------------- */

static void
child(void)
{
	for (int i = 0; i < times; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		need(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

static void
child_left(void)
{
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (pid)
		return;
	setsid();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	pause();
}

/* wait without __WALL passes over a child that sends no signal at its end. */
static void
child_quiet(void)
{
	long pid = syscall(SYS_clone, 0, 0, 0, 0, 0);

	need(pid >= 0, "clone");
	if (pid == 0)
		pause();
}

static void
child_of_init(void)
{
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	need(pid >= 0, "clone");
	if (pid == 0)
		pause();
}

static void *
nothing(void *argument)
{
	return argument;
}

static void
thread(void)
{
	pthread_t other;

	need(!pthread_create(&other, NULL, nothing, NULL) && !pthread_join(other, NULL), "pthread_create");
}

static void
pids_used_up(void)
{
	int n = 0;

	for (;; n++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			pause();
			_exit(0);
		}
	}
	need(n > 1, "fork");
}

static void
timers(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 100000000, .it_interval.tv_nsec = 100000000 };
	struct itimerval soon_too = { .it_value.tv_usec = 100000, .it_interval.tv_usec = 100000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	need(!timer_create(CLOCK_MONOTONIC, &event, &timer) && !timer_settime(timer, 0, &soon, NULL), "timer_create");
	need(!timerfd_settime(timerfd_create(CLOCK_MONOTONIC, 0), 0, &soon, NULL), "timerfd");
	need(!setitimer(ITIMER_REAL, &soon_too, NULL), "setitimer");
}

static void
memory(void)
{
	size_t size = (size_t)256 << 20;
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(bytes != MAP_FAILED, "mmap");
	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)bytes)[i] = 1;
}

static void
spin(void)
{
	struct timespec time;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	while (time.tv_sec * 1000 + time.tv_nsec / 1000000 < 500);
}

/* Of this process alone, and of pid 1 where that should be possible. */
static void
attributes(void)
{
	struct rlimit none = { 0, 0 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	umask(0777);
	(void)chdir("/tmp");
	(void)!nice(19);
	(void)sched_setaffinity(0, sizeof(one), &one);
	(void)prctl(PR_SET_TIMERSLACK, 123456789, 0, 0, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		(void)setrlimit(i, &none);
	for (int number = 1; number < 65; number++)
		(void)signal(number, SIG_IGN);
	sigset_t all;
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	if (!setpriority(PRIO_PROCESS, 1, 19))
		puts("pid 1: setpriority");
	if (!sched_setaffinity(1, sizeof(one), &one))
		puts("pid 1: sched_setaffinity");
	if (!syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, &none, NULL))
		puts("pid 1: prlimit");
	if (!kill(1, SIGCHLD) || !kill(1, 0))
		puts("pid 1: kill");
}

static void
sysctls(void)
{
	static const char *const names[] = {
		"kernel/hostname", "kernel/domainname", "kernel/shmmax", "kernel/msgmax", "kernel/sem", "kernel/shm_rmid_forced",
		"kernel/shm_next_id", "kernel/ns_last_pid", "fs/mqueue/queues_max", "net/ipv4/ip_forward",
		"net/ipv4/ip_local_port_range", "net/ipv4/ip_default_ttl", "net/ipv4/ping_group_range",
		"net/ipv4/ip_unprivileged_port_start", "net/ipv4/tcp_syncookies", "net/ipv6/conf/all/disable_ipv6",
		"net/core/somaxconn", "net/unix/max_dgram_qlen", "user/max_user_namespaces",
	};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		int fd = open(path, O_WRONLY);
		if (fd >= 0 && write(fd, "1", 1) == 1)
			printf("%s could be written\n", path);
	}
	if (!sethostname("left", 4))
		puts("sethostname");
}

static void
terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), unlock = 0;

	need(master >= 0 && !ioctl(master, TIOCSPTLCK, &unlock), "ptmx");
	need(write(master, "x", 1) == 1, "write");
}

/* The word comes in two halves, or it would find itself. */
static void
find_word(const char *first, const char *second)
{
	static const char *const names[] = { "environ", "cmdline", "comm", "mem", "maps", "stat", "cwd", "task/1/environ" };
	static char text[1 << 20];
	char path[64], word[128];

	size_t len = (size_t)snprintf(word, sizeof(word), "%s%s", first, second);
	for (int pid = 1; pid < 300; pid++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
			int fd = pid == getpid() ? -1 : open(path, O_RDONLY);
			if (fd < 0)
				continue;
			printf("%s can be opened\n", path);
			ssize_t n = read(fd, text, sizeof(text));
			if (n > 0 && memmem(text, (size_t)n, word, len))
				printf("%s: found\n", path);
			close(fd);
		}
	}
	for (char **variable = environ; *variable; variable++)
		if (strstr(*variable, word))
			puts("own environment: found");
}

static const struct attack {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{ "nothing", print_sandbox }, { "proc-lookup", proc_lookup }, { "proc-seen", proc_seen },
	{ "unix-name", unix_name }, { "unix-cycle", unix_cycle }, { "tcp-listen", tcp_listen },
	{ "tcp-time-wait", tcp_time_wait }, { "tcp-refused", tcp_refused }, { "udp-send", udp_send },
	{ "sockets", sockets }, { "multicast", multicast }, { "flow-label", flow_label },
	{ "shm-left", shm_left }, { "sem-left", sem_left }, { "msg-left", msg_left }, { "shm-gone", shm_gone },
	{ "sem-gone", sem_gone }, { "msg-gone", msg_gone }, { "msg-round", msg_round }, { "mq-left", mq_left },
	{ "mq-gone", mq_gone }, { "file-left", file_left }, { "file-gone", file_gone }, { "file-hidden", file_hidden },
	{ "file-unnamed", file_unnamed }, { "file-deep", file_deep }, { "hard-link", hard_link },
	{ "mode-changed", mode_changed }, { "times-changed", times_changed }, { "xattr-changed", xattr_changed },
	{ "flags-changed", flags_changed }, { "not-its-own", not_its_own }, { "reading", reading }, { "locks", locks },
	{ "child", child }, { "child-left", child_left }, { "child-quiet", child_quiet },
	{ "child-of-init", child_of_init }, { "thread", thread }, { "pids-used-up", pids_used_up },
	{ "timers", timers }, { "memory", memory }, { "spin", spin }, { "attributes", attributes },
	{ "sysctls", sysctls }, { "terminal", terminal },
};

/* reuse look | reuse find HALF HALF | reuse ATTACK [TIMES | PLACE]: but for look, the sandbox's name is the last line. */
int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "look")) {
		look();
		return 0;
	}
	if (!strcmp(name, "find") && argc == 4) {
		find_word(argv[2], argv[3]);
		print_sandbox();
		return 0;
	}
	if (argc > 2 && argv[2][0] == '/')
		place = argv[2];
	else if (argc > 2)
		times = atoi(argv[2]);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, name))
			continue;
		if (attacks[i].run != print_sandbox)
			attacks[i].run();
		/* Not by a child that an attack has made. */
		if (getpid() == getsid(0))
			print_sandbox();
		return 0;
	}
	fprintf(stderr, "reuse: no attack of that name: %s\n", name);
	return 2;
}
