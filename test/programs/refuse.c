/* refuse.c - refuse NUMBER... -- COMMAND...: runs a command on a kernel that lacks these system calls (ENOSYS) */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MOST = 100 };

int
main(int argc, char **argv)
{
	struct sock_filter filter[2 * MOST + 2];
	unsigned short n = 0;
	int i = 1;

	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (; i < argc && i <= MOST && strcmp(argv[i], "--"); i++) {
		unsigned call = (unsigned)strtoul(argv[i], NULL, 10);
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = n, .filter = filter };
	if (i + 1 >= argc)
		return 2;
	/* With the privilege for it, so that a set-user-id program behind it would still work; else without. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))) {
		perror("refuse: seccomp");
		return 125;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror("refuse: exec");
	return 126;
}
