/* world.c - what a process inherits and shares with the rest of the machine, one look or attack a name */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void
say(const char *what, long result)
{
	printf("%s %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static void
look_at_limits(void)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {
		{ "rtprio", RLIMIT_RTPRIO }, { "nice", RLIMIT_NICE }, { "rttime", RLIMIT_RTTIME },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;
		getrlimit(limits[i].resource, &limit);
		if (limit.rlim_max != RLIM_INFINITY)
			printf("%s %ld\n", limits[i].name, (long)limit.rlim_max);
		else
			printf("%s unlimited\n", limits[i].name);
	}
}

/* What an exec keeps: timers, slack, capabilities, priorities. */
static void
inherited(char **argv)
{
	int caps = 0;
	sigset_t pending;

	(void)argv;
	sigpending(&pending);
	for (int number = 1; number < 65; number++)
		if (sigismember(&pending, number) == 1)
			printf("signal %d is pending\n", number);
	for (int which = 0; which < 3; which++) {
		struct itimerval timer;
		getitimer(which, &timer);
		if (timer.it_value.tv_sec || timer.it_value.tv_usec)
			printf("timer %d runs\n", which);
	}
	for (int cap = 0; cap < 64; cap++) {
		caps += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1;
		caps += prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1;
	}
	printf("capabilities %d, keepcaps %d\n", caps, prctl(PR_GET_KEEPCAPS));
	printf("timerslack %d, transparent huge pages off %d, io priority %ld\n", prctl(PR_GET_TIMERSLACK),
	    prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), syscall(SYS_ioprio_get, 1, 0));
	printf("machine check %d, tid address %s\n", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), "own");
	look_at_limits();
	say("io priority realtime", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
}

/* The interfaces that netlink tells, and what it lets one do. */
static void
netlink(char **argv)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {
		.head = { .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	static char answer[65536];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), links = 0;

	(void)argv;
	send(fd, &ask, sizeof(ask), 0);
	for (int done = 0; !done;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		if (n <= 0)
			break;
		size_t len = (size_t)n;
		for (struct nlmsghdr *head = (struct nlmsghdr *)answer; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
			links += head->nlmsg_type == RTM_NEWLINK;
			done |= head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR;
		}
	}
	printf("links %d\n", links);
	/* Takes the loopback down. */
	ask.head.nlmsg_type = RTM_NEWLINK;
	ask.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ask.info.ifi_index = 1;
	ask.info.ifi_change = 1;
	send(fd, &ask, sizeof(ask), 0);
	recv(fd, answer, sizeof(answer), 0);
	struct nlmsghdr *head = (struct nlmsghdr *)answer;
	errno = head->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(head))->error : 0;
	say("take the loopback down", errno ? -1 : 0);
	/* Multicast groups of a netlink socket tell of what others change. */
	int group = 1;
	int event = socket(AF_NETLINK, SOCK_RAW, 15);
	say("kernel events", event);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
	int all = 1;
	say("events of every namespace", setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &all, sizeof(all)));
}

/* connect ADDRESS PORT... by IPv6 */
static void
connect6(char **argv)
{
	for (; argv[0] && argv[1]; argv += 2) {
		struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((unsigned short)atoi(argv[1])),
			.sin6_scope_id = 1 };
		inet_pton(AF_INET6, argv[0], &to.sin6_addr);
		int fd = socket(AF_INET6, SOCK_STREAM, 0);
		int result = connect(fd, (struct sockaddr *)&to, sizeof(to));
		printf("%s %s\n", argv[0], fd < 0 ? "not tried" : !result ? "ok" : errno == ECONNREFUSED ? "refused" : "unreachable");
		close(fd);
	}
}

/* Eight processes, each of which is another one by the time that somebody looks. */
static void
hydra(char **argv)
{
	(void)argv;
	for (int i = 0; i < 8; i++) {
		if (fork())
			continue;
		setsid();
		for (;;) {
			pid_t pid = fork();
			if (pid > 0)
				_exit(0);
			if (pid < 0)
				sched_yield();
		}
	}
	usleep(300000);
	printf("left\n");
}

/* --- sixty-four threads that change what names mean ------------------------------------------------ */

static const char *const places[] = { "/tmp/a", "/tmp/a/b", "/tmp/a/b/f", "/home/user/c", "/var/tmp/d", "/home/user", "/var" };
static const char *const targets[] = {
	"/", "/etc", "/tmp", "/proc/self/root", "/proc/1/root", "/proc/self/fd/0", "../../../../../../etc", "/dev/shm", "/root", "/proc/self/cwd",
};
enum { PLACES = sizeof(places) / sizeof(places[0]), TARGETS = sizeof(targets) / sizeof(targets[0]) };

static void *
change_names(void *seed)
{
	unsigned chance = (unsigned)(size_t)seed;
	char away[64];

	snprintf(away, sizeof(away), "/tmp/away-%u", chance);
	for (;;) {
		chance = chance * 1103515245 + 12345;
		const char *place = places[(chance >> 16) % PLACES];
		switch ((chance >> 8) % 5) {
		case 0:
			(void)symlink(targets[(chance >> 20) % TARGETS], away);
			(void)syscall(SYS_renameat2, AT_FDCWD, away, AT_FDCWD, place, 2);
			(void)unlink(away);
			break;
		case 1:
			(void)rename(place, away);
			(void)symlink(targets[(chance >> 20) % TARGETS], place);
			break;
		case 2:
			(void)unlink(place);
			(void)mkdir(place, 0777);
			break;
		case 3:
			(void)mkfifo(away, 0666);
			(void)rename(away, place);
			break;
		default:
			(void)link("/tmp/own", place);
			(void)rename(away, place);
		}
	}
	return NULL;
}

static void
swap_names(char **argv)
{
	pthread_attr_t small;
	pthread_t thread;
	size_t threads = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 32768);
	int own = open("/tmp/own", O_WRONLY | O_CREAT, 0666);
	while (threads < 64 && !pthread_create(&thread, &small, change_names, (void *)((threads + 1) * 7919)))
		threads++;
	dprintf(own, "%zu threads", threads);
	close(own);
	sleep((unsigned)atoi(argv[0]));
	printf("swapped\n");
	fflush(stdout);
	_exit(0);
}

/* locks FILE SECONDS: takes all that can be taken of a file that can be read alone, and holds it. */
static void
locks(char **argv)
{
	struct flock record = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(argv[0], O_RDONLY);

	say("flock", flock(fd, LOCK_EX | LOCK_NB));
	say("record lock to write", fcntl(fd, F_SETLK, &record));
	record.l_type = F_RDLCK;
	say("record lock to read", fcntl(fd, F_SETLK, &record));
	say("lease to read", fcntl(fd, F_SETLEASE, F_RDLCK));
	say("lease to write", fcntl(fd, F_SETLEASE, F_WRLCK));
	say("watch", inotify_add_watch(inotify_init1(0), argv[0], IN_OPEN));
	fflush(stdout);
	sleep((unsigned)atoi(argv[1]));
}

/* sockets NUMBER: so many at once, for longer than it takes to be seen. */
static void
sockets(char **argv)
{
	int n = 0;

	while (n < atoi(argv[0]) && socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		n++;
	printf("%d sockets\n", n);
	fflush(stdout);
	usleep(700000);
}

static const struct {
	const char *name;
	void (*run)(char **argv);
} attacks[] = {
	{ "inherited", inherited }, { "netlink", netlink }, { "connect6", connect6 }, { "hydra", hydra }, { "swap_names", swap_names },
	{ "locks", locks }, { "sockets", sockets },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, argv[1]))
			continue;
		attacks[i].run(argv + 2);
		return 0;
	}
	return 2;
}
