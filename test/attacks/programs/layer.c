/* layer.c - attacks with an end of their own, harmless where a protection is missing: for layers.bats, and for test/mutations,
 * which runs them with the protection taken away */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
			sleep(5);
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

int
main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "sleepers"))
		return sleepers(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "touch"))
		return touch(atoi(argv[2]));
	fprintf(stderr, "usage: layer sleepers N | touch MEGABYTES\n");
	return 2;
}
