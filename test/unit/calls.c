/* calls.c's tests: with musl of what is here in place of its own, with another C library of that one's own */
#include "../../calls.c"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "test.h"

TEST("a child is made, ends, and is waited for")
{
	int ends[2], status = 0;
	char byte = 0;

	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	CHECK(fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
	pid_t pid = fork();
	if (!pid)
		_exit(write(ends[1], "x", 1) == 1 && getppid() > 0 ? 7 : 1);
	CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	close(ends[0]);
	close(ends[1]);
}

TEST("a signal is ignored, is its own again, and says what it was")
{
	struct sigaction old;

	CHECK(signal(SIGUSR1, SIG_IGN) == SIG_DFL);
	CHECK(!sigaction(SIGUSR1, NULL, &old) && old.sa_handler == SIG_IGN);
	CHECK_INT(kill(getpid(), SIGUSR1), 0);
	CHECK(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
	CHECK(signal(1000, SIG_IGN) == SIG_ERR && errno == EINVAL);
#ifndef __GLIBC__
	CHECK(signal(SIGUSR1, (void (*)(int))exit) == SIG_ERR && errno == EINVAL);
#endif
}

TEST("files are opened, described and copied as asked")
{
	char path[] = "/tmp/opensandbox-calls-XXXXXX";
	struct stat one, two;
	struct statfs facts;
	char link[4096];

	int made = mkstemp(path);
	CHECK(made >= 0 && write(made, "four", 4) == 4);
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dir, path + 5, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd < 0 && errno == EEXIST);
	CHECK(!fstatat(dir, path + 5, &one, AT_SYMLINK_NOFOLLOW) && S_ISREG(one.st_mode) && one.st_size == 4);
	CHECK(!stat(path, &two) && two.st_ino == one.st_ino && two.st_mtim.tv_nsec == one.st_mtim.tv_nsec);
	CHECK(!fstat(made, &two) && two.st_ino == one.st_ino && (two.st_mode & 07777) == 0600 && two.st_uid == geteuid());
	CHECK(!lstat("/proc/self", &two) && S_ISLNK(two.st_mode));
	CHECK(!stat("/proc/self", &two) && S_ISDIR(two.st_mode));
	CHECK(stat("/no/such/file", &two) < 0 && errno == ENOENT);
	CHECK(!statfs("/proc", &facts) && facts.f_type == 0x9fa0);
	CHECK(!fstatfs(made, &facts) && facts.f_bsize > 0);
	CHECK(!isatty(made) && errno == ENOTTY);
	CHECK(!fchmod(made, 0640) && !fstat(made, &two) && (two.st_mode & 07777) == 0640);
	CHECK(!fchmodat(dir, path + 5, 0604, 0) && !fstat(made, &two) && (two.st_mode & 07777) == 0604);
	CHECK(fchmodat(dir, path + 5, 0604, 0x4000) < 0);
	CHECK(readlink("/proc/self/exe", link, sizeof(link)) > 1 && link[0] == '/' && readlink("/tmp", link, 9) < 0);
	int copy = fcntl(made, F_DUPFD_CLOEXEC, 100);
	CHECK(copy >= 100 && dup3(made, copy, O_CLOEXEC) == copy);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	CHECK(fd >= 0 && !fstat(fd, &two) && (two.st_mode & 0640) == (two.st_mode & 07777));
	unlink(path);
	close(fd);
	close(copy);
	close(dir);
	close(made);
}

TEST("a message with a descriptor goes through a pair, and a poll of it is told")
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	char text[8] = "text";
	struct iovec part = { text, 4 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	struct epoll_event event = { .events = EPOLLIN, .data.fd = 42 };
	int ends[2], fd = -1;

	CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event), 0);
	CHECK_INT(epoll_wait(epoll, &event, 1, 0), 0);
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &ends[0], sizeof(int));
	CHECK_INT(sendmsg(ends[0], &header, 0), 4);
	CHECK(epoll_wait(epoll, &event, 1, 1000) == 1 && event.data.fd == 42);
	memset(&control, 0, sizeof(control));
	memset(text, 0, sizeof(text));
	CHECK_INT(recvmsg(ends[1], &header, MSG_CMSG_CLOEXEC), 4);
	rights = CMSG_FIRSTHDR(&header);
	CHECK(rights && rights->cmsg_len == CMSG_LEN(sizeof(int)));
	if (rights)
		memcpy(&fd, CMSG_DATA(rights), sizeof(int));
	CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && !strcmp(text, "text"));
	close(fd);
	close(epoll);
	close(ends[0]);
	close(ends[1]);
}

TEST("time passes, and memory is mapped")
{
	struct timespec before, after, pause = { .tv_nsec = 2000000 };
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED && !*memory);
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(!clock_gettime(CLOCK_MONOTONIC, &before) && !nanosleep(&pause, NULL) &&
	    !clock_gettime(CLOCK_MONOTONIC, &after));
	CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >= 2000000);
	munmap(memory, 4096);
}

TEST("a signal that is blocked is read, and waiting for it ends at its time")
{
	struct timespec time = { .tv_nsec = 1000000 };
	struct signalfd_siginfo facts = { .ssi_signo = 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK_INT(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	struct pollfd end = { .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN };
	CHECK(ppoll(&end, 1, &time, NULL) == 0 && time.tv_nsec == 1000000);
	kill(getpid(), SIGUSR2);
	CHECK(ppoll(&end, 1, NULL, NULL) == 1);
	CHECK(read(end.fd, &facts, sizeof(facts)) == sizeof(facts) && facts.ssi_signo == SIGUSR2);
	close(end.fd);
}

TEST("limits are read and set")
{
	struct rlimit limit = { 0, 0 }, again = { 0, 0 };

	CHECK(!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > 3);
	limit.rlim_cur--;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit) && !getrlimit(RLIMIT_NOFILE, &again));
	CHECK(again.rlim_cur == limit.rlim_cur && again.rlim_max == limit.rlim_max);
}

TEST_MAIN()
