/* confine.c - the front gives up its privileges: see confine.h. Runs once, after the fork, before any stranger's byte. */
#include "confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* A directory of mode 000 among the launcher's parts: nothing can be opened in it. */
static int
enter_empty_root(void)
{
	if (chdir("/mask/directory") || chroot("."))
		return -errno;
	return 0;
}

static int
drop_uid(uid_t uid)
{
	/* Raw: there is one thread, and libc's versions bring what tells all of them. */
	if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, uid, uid, uid) ||
	    syscall(SYS_setresuid, uid, uid, uid))
		return -errno;
	return 0;
}

static int
drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	/* Of the bounding set what can be dropped is: without CAP_SETPCAP it cannot, and no_new_privs stands. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static void
drop_bounding_set(void)
{
	for (unsigned long cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
}

static int
forbid_processes(void)
{
	struct rlimit none = { 0, 0 };

	return prlimit(0, RLIMIT_NPROC, &none, NULL) || prlimit(0, RLIMIT_CORE, &none, NULL) ? -errno : 0;
}

int
confine_front(uid_t uid, bool privileged, struct root_fault *fault)
{
	struct seccomp_program filter;
	int error;

	fault->step = "build the server's filter";
	if ((error = seccomp_build(&filter, SECCOMP_SERVER, 0)))
		return error;
	fault->step = "enter an empty root";
	if ((error = enter_empty_root()))
		return error;
	drop_bounding_set();
	fault->step = "give up root";
	if (privileged && (error = drop_uid(uid)))
		return error;
	fault->step = "drop capabilities";
	if ((error = drop_capabilities()))
		return error;
	fault->step = "set no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	fault->step = "forbid processes";
	if ((error = forbid_processes()))
		return error;
	fault->step = "load the server's filter";
	if ((error = seccomp_load(&filter)))
		return error;
	fault->step = NULL;
	return 0;
}

void
confine_descriptors(const int *keep, size_t len)
{
	unsigned first = 3;

	for (;;) {
		unsigned next = ~0u;
		for (size_t i = 0; i < len; i++)
			if (keep[i] >= (int)first && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > first)
			(void)syscall(SYS_close_range, first, next == ~0u ? next : next - 1, 0);
		if (next == ~0u)
			return;
		first = next + 1;
	}
}
