/* layer.c - attacks with an end of their own, harmless where a protection is missing: for layers.bats, and for test/mutations,
 * which runs them with the protection taken away */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many children that sleep, at once. */
static int
sleepers(int most)
{
	int started = 0;

	while (started < most) {
		pid_t pid = fork();
		if (pid == 0) {
			sleep(30);
			_exit(0);
		}
		if (pid < 0)
			break;
		started++;
	}
	printf("%d started%s\n", started, started == most ? "" : errno == EAGAIN ? ", then EAGAIN" : ", then an error");
	fflush(stdout);
	return 0;
}

static int
touch(int megabytes)
{
	size_t size = (size_t)megabytes << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, size);
	printf("%d MB\n", megabytes);
	return 0;
}

enum { KEYCTL_JOIN = 1, KEYCTL_SEARCH = 10, SESSION_KEYRING = -3 };	/* linux/keyctl.h is not everywhere */

/* Runs a program with a key in its session keyring. */
static int
with_key(char **argv)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN, NULL, 0, 0, 0) < 0 ||
	    syscall(SYS_add_key, "user", "layer-key", "secret", (size_t)6, SESSION_KEYRING) < 0)
		return 1;
	execv(argv[0], argv);
	return 1;
}

static int
find_key(void)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, SESSION_KEYRING, "user", "layer-key", 0);

	printf("%s\n", key < 0 ? strerror(errno) : "found");
	return 0;
}

/* Asks for a socket, of which pid 1 is told where its sandbox may serve again. */
static int
ask(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "with-key"))
		return with_key(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "find-key"))
		return find_key();
	if (argc == 2 && !strcmp(argv[1], "ask"))
		return ask();
	if (argc == 3 && !strcmp(argv[1], "sleepers"))
		return sleepers(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "touch"))
		return touch(atoi(argv[2]));
	fprintf(stderr, "usage: layer sleepers N | touch MEGABYTES | with-key PROGRAM... | find-key | ask\n");
	return 2;
}
