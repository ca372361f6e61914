/* jail.c - pid 1 of a sandbox: builds it, starts the command, waits for it, reports
 *
 * Theory of operation. The launcher clones a process into new namespaces (jail_spawn). It is pid 1 there, and a copy of the
 * launcher, with all its privileges; no byte of a client's has been seen yet. It goes through `building`, a table
 * of steps: its cgroup, its host name and loopback, its file system (root.c), its user namespace and uid, its
 * capabilities and filter. Then it reports READY and waits. An order comes with a parcel and three descriptors. A child is
 * started by clone(CLONE_VM|CLONE_VFORK): it sets what is the command's alone and execs. pid 1 gives up the last of its
 * capabilities, takes a filter that leaves it little more than wait and write, reaps, and when the command ends,
 * reports how and ends too. It forwards no signals. Where the sandbox may be used again (the plan's `reuse`), it keeps the three
 * capabilities below, of its user namespace, and after a run that has left no trace (trace.c) it is READY once more.
 *
 * pid 1 has a uid of its own, so that the command can neither signal, trace, nor reschedule it; it is never
 * dumpable. What it keeps until the command runs: CAP_SETUID and CAP_SETGID to become the user, CAP_KILL to end what is left of
 * the tree before copy_out is read. Inside a user namespace these reach nothing outside.
 *
 * Between clone and exec: no malloc, no stdio, no locks. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "parcel.h"
#include "trace.h"
#include "wait.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum {
	KEYCTL_JOIN = 1,		/* KEYCTL_JOIN_SESSION_KEYRING: linux/keyctl.h is not everywhere */
	STACK_SIZE = 128 << 10,
	MEMLOCK_KB = 8192,
	SUBTREE_OOM_SCORE = 500,	/* short of memory, the host takes sandboxes first */
	CPU_SLACK_S = 2,		/* RLIMIT_CPU stands this far behind the launcher's own clock */
	FILTERS_MAX = 64,		/* the kernel has one store for all compiled ones (docs/syscalls.md) */
	FD_CONTROL = 0, FD_LAUNCHER = 1,	/* where pid 1 keeps its two descriptors; 2 is the control again */
};

struct jail {
	const struct jail_plan *plan;
	int control;
	bool entered;			/* was made in its cgroup */
	bool fine_times;		/* of the tree's files */
	const char *step;
	struct root_fault fault;
	struct jail_order order;
	struct parcel parcel;
	int fds[MESSAGE_FDS_MAX];	/* parcel, stdin, stdout, stderr, copy_out */
	size_t fds_len;
	uid_t init_uid, user_uid;	/* as seen inside */
	/* Written by the vfork child, in shared memory. */
	int child_error;
	const char *child_step;
	struct trace *trace;		/* NULL: serves once */
	int listener;			/* of the command's filter; -1: none */
	unsigned int filters;		/* that the command may still have beside it */
};

/* --- reports ------------------------------------------------------------------------------------ */

static void
copy_text(char *to, size_t size, const char *from)
{
	size_t i = 0;

	for (; from && from[i] && i + 1 < size; i++)
		to[i] = from[i];
	to[i] = '\0';
}

static void
report(const struct jail *jail, const struct jail_report *what)
{
	/* The launcher hears of our end in any case. */
	if (message_send(jail->control, what, sizeof(*what), NULL, 0))
		_exit(127);
}

static _Noreturn void
fail(const struct jail *jail, enum jail_report_type type, const char *step, int error)
{
	struct jail_report failed = { .type = (uint32_t)type, .error = error < 0 ? -error : error };

	copy_text(failed.step, sizeof(failed.step), step);
	report(jail, &failed);
	_exit(1);
}

/* --- building ----------------------------------------------------------------------------------- */

static int
enter_session_and_ids(struct jail *jail)
{
	jail->init_uid = JAIL_UID_INIT;
	jail->user_uid = JAIL_UID_USER;
	if (jail->plan->userns < 0) {
		jail->init_uid = jail->plan->init_uid;
		jail->user_uid = jail->plan->user_uid;
	} else if (jail->plan->one_uid) {
		jail->init_uid = JAIL_UID_USER;
	}
	return setsid() < 0 ? -errno : 0;
}

static int
enter_cgroup(struct jail *jail)
{
	return jail->entered ? 0 : cgroup_enter(jail->plan->group);
}

static int
enter_cgroup_namespace(struct jail *jail)
{
	return jail->plan->cgroup_namespace && unshare(CLONE_NEWCGROUP) ? -errno : 0;
}

static int set_rlimit(int resource, uint64_t soft, uint64_t hard);

/* No core file fits in one byte; and only for this one value does the kernel not start the program of a core_pattern either, which
 * would be root of the host's (core(5), do_coredump). The command's filter keeps it so. */
static int
forbid_cores(struct jail *jail)
{
	(void)jail;
	int error = set_rlimit(RLIMIT_CORE, 1, 1);
	return error == -EPERM ? set_rlimit(RLIMIT_CORE, 0, 0) : error;	/* ours is 0, and cannot be raised */
}

static int
set_priorities(struct jail *jail)
{
	_Static_assert(SUBTREE_OOM_SCORE == 500, "the text below");
	int error = text_write(root_proc(jail->plan->root), "self/oom_score_adj", "500");

	return error == -EACCES ? 0 : error;	/* it is higher already, and cannot be lowered */
}

static int
set_host_name(struct jail *jail)
{
	(void)jail;
	if (sethostname("sandbox", 7) || setdomainname("(none)", 6))
		return -errno;
	return 0;
}

static int
loopback_up(void)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING, .ifr_name = "lo" };

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
	close(fd);
	return error;
}

static int
raise_loopback(struct jail *jail)
{
	if (jail->plan->netns == JAIL_NET_HOST)
		return 0;
	if (jail->plan->netns >= 0)
		return setns(jail->plan->netns, CLONE_NEWNET) ? -errno : 0;
	return loopback_up();
}

/* A session's tree: found in the namespace that holds them all, cloned there, brought here. */
static int
session_tree(struct jail *jail)
{
	const struct jail_plan *plan = jail->plan;
	int error = 0;

	jail->fault.step = "attach the session's files";
	int own = openat(root_proc(plan->root), "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	if (setns(plan->sessions, CLONE_NEWNS)) {
		error = -errno;
		close(own);
		return error;
	}
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, plan->session, 1 | O_CLOEXEC);	/* OPEN_TREE_CLONE */
	if (tree < 0)
		error = -errno;
	if (setns(own, CLONE_NEWNS))
		error = -errno;
	close(own);
	return error ? error : tree;
}

static int
build_file_system(struct jail *jail)
{
	const struct jail_plan *plan = jail->plan;
	int tree = plan->session ? session_tree(jail) :
	    root_tree(plan->disk_kb, plan->user_uid, plan->user_uid, &jail->fault);
	if (tree < 0)
		return tree;
	jail->fine_times = plan->reuse && trace_times_are_fine(tree, "tmp");
	return root_build(plan->root, tree, jail->init_uid, jail->user_uid, &jail->fault);
}

/* All that was the launcher's is closed: what is kept moves to 0, 1 and 2 first. */
static int
close_descriptors(struct jail *jail)
{
	int control = fcntl(jail->control, F_DUPFD_CLOEXEC, 3);
	int launcher = fcntl(jail->plan->launcher, F_DUPFD_CLOEXEC, 3);

	if (control < 0 || launcher < 0)
		return -errno;
	if (jail->plan->userns >= 0 && setns(jail->plan->userns, CLONE_NEWUSER))
		return -errno;
	if (dup3(control, FD_CONTROL, O_CLOEXEC) < 0 || dup3(launcher, FD_LAUNCHER, O_CLOEXEC) < 0 ||
	    dup3(control, 2, O_CLOEXEC) < 0)
		return -errno;
	jail->control = FD_CONTROL;
	if (!syscall(SYS_close_range, 3, ~0u, 0))
		return 0;
	struct rlimit most;			/* Linux before 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &most))
		return -errno;
	for (int fd = 3; fd < (int)most.rlim_cur; fd++)
		close(fd);
	return 0;
}

/* A session keyring of the launcher's would come along otherwise. Kernels without keys have nothing to leave. */
static int
leave_keyring(struct jail *jail)
{
	(void)jail;
	long serial = syscall(SYS_keyctl, KEYCTL_JOIN, NULL, 0, 0, 0);
	return serial < 0 && errno != ENOSYS && errno != EDQUOT ? -errno : 0;
}

static int
set_capabilities(uint32_t permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .permitted = permitted, .effective = permitted } };

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int
become_init(struct jail *jail)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_setgroups, 0, NULL) && !jail->plan->one_uid)
		return -errno;
	if (syscall(SYS_setresgid, jail->init_uid, jail->init_uid, jail->init_uid) ||
	    syscall(SYS_setresuid, jail->init_uid, jail->init_uid, jail->init_uid))
		return -errno;
	/* Leaving uid 0 cleared the effective set; the permitted one was kept. */
	return set_capabilities(1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL | 1u << CAP_SETPCAP);
}

static int
drop_bounding_set(struct jail *jail)
{
	(void)jail;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	for (unsigned long cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	if (errno != EINVAL)
		return -errno;
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, 0, 0, 0))
		return -errno;
	return set_capabilities(1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL);
}

static int
set_no_new_privileges(struct jail *jail)
{
	(void)jail;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

/* Every change of credentials clears the death signal and may raise dumpable, so they come after the last one. The launcher may
 * have died before the signal was set: its pidfd is readable then. */
static int
bind_to_launcher(struct jail *jail)
{
	struct pollfd launcher = { .fd = FD_LAUNCHER, .events = POLLIN };

	(void)jail;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	return poll(&launcher, 1, 0) ? -ESRCH : 0;
}

/* Dispositions of the command: all default but SIGXFSZ, so that a file over its limit is EFBIG. SIGCHLD is
 * blocked here for the signalfd, and unblocked in the command. */
static int
set_signals(struct jail *jail)
{
	sigset_t child;

	(void)jail;
	for (int number = 1; number < 65; number++) {
		/* As the kernel has it: libc keeps some for itself, which the caller may have ignored. */
		unsigned long action[4] = { number == SIGXFSZ };	/* SIG_IGN; else SIG_DFL */
		(void)syscall(SYS_rt_sigaction, number, action, NULL, 8);
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &child, NULL))
		return -errno;
	umask(022);
	return 0;
}

/* pid 1 takes the command's filter already: what it starts has it from its first instruction on. Where somebody above us listens to
 * our calls already (a container manager), nobody else can: then the sandbox serves once, and a command has no filters of its own. */
static int
load_command_filter(struct jail *jail)
{
	const struct jail_plan *plan = jail->plan;

	jail->listener = seccomp_load_heard(&plan->filters[plan->reuse ? SECCOMP_WATCHED : SECCOMP_COMMAND]);
	return jail->listener >= 0 ? 0 : seccomp_load(&plan->filters[SECCOMP_COMMAND]);
}

static const struct building_step {
	const char *name;
	int (*run)(struct jail *);
} building[] = {
	{ "setsid", enter_session_and_ids },
	{ "enter the cgroup", enter_cgroup },
	{ "unshare the cgroup namespace", enter_cgroup_namespace },
	{ "set priorities", set_priorities },
	{ "forbid core files", forbid_cores },
	{ "set the host name", set_host_name },
	{ "raise loopback", raise_loopback },
	{ "build the file system", build_file_system },
	{ "join a session keyring", leave_keyring },
	{ "enter the user namespace", close_descriptors },
	{ "become the init user", become_init },
	{ "drop the bounding set", drop_bounding_set },
	{ "set no_new_privs", set_no_new_privileges },
	{ "set signals", set_signals },
	{ "bind to the launcher", bind_to_launcher },
	{ "load the seccomp filter", load_command_filter },
};

/* --- the command -------------------------------------------------------------------------------- */

static int
set_rlimit(int resource, uint64_t soft, uint64_t hard)
{
	struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };
	struct rlimit old;

	if (!syscall(SYS_prlimit64, 0, resource, &limit, NULL))
		return 0;
	/* A hard limit cannot be raised: what is lower already stays. */
	if (errno != EPERM || syscall(SYS_prlimit64, 0, resource, NULL, &old) || soft > old.rlim_max)
		return -errno;
	limit.rlim_max = old.rlim_max;
	return syscall(SYS_prlimit64, 0, resource, &limit, NULL) ? -errno : 0;
}

static uint64_t
bytes_of(uint64_t kb)
{
	return kb > UINT64_MAX >> 10 ? RLIM_INFINITY : kb << 10;
}

static int
set_rlimits(const struct jail_order *order)
{
	const struct limits *limits = &order->limits;
	uint64_t cpu_s = limits->time_ms / 1000 + CPU_SLACK_S, bytes = bytes_of(limits->fsize_kb);
	int error;

	if ((error = set_rlimit(RLIMIT_FSIZE, bytes, bytes)) ||
	    (error = set_rlimit(RLIMIT_NOFILE, limits->nofile, limits->nofile)) ||
	    (error = set_rlimit(RLIMIT_CPU, cpu_s, cpu_s + 1)) ||
	    /* A caller's that may have real-time priority is not the command's. */
	    (error = set_rlimit(RLIMIT_RTPRIO, 0, 0)) || (error = set_rlimit(RLIMIT_NICE, 0, 0)))
		return error;
	/* Refused where we have less ourselves (64 KB by default before Linux 5.16): then that is the limit. */
	error = set_rlimit(RLIMIT_MEMLOCK, (uint64_t)MEMLOCK_KB << 10, (uint64_t)MEMLOCK_KB << 10);
	if (error && error != -EPERM)
		return error;
	if ((error = set_rlimit(RLIMIT_STACK, bytes_of(limits->stack_kb), RLIM_INFINITY)))
		return error;
	if (order->limit_procs && (error = set_rlimit(RLIMIT_NPROC, limits->procs, limits->procs)))
		return error;
	bytes = bytes_of(limits->mem_kb);
	return order->limit_memory ? set_rlimit(RLIMIT_AS, bytes, bytes) : 0;
}

/* pid 1 has a priority as the launcher had: it has to run before it can be killed or reap, and among a hundred busy processes its
 * turn would come a quarter of a second late. What it starts has the ordinary one, and no class or personality of the caller's.
 * What makes it less than ordinary stays where we may not take it back. */
static int
be_ordinary(void)
{
	static const int no_priority;	/* a struct sched_param */

	if ((setpriority(PRIO_PROCESS, 0, 0) && errno != EACCES) ||
	    (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &no_priority) && errno != EPERM))
		return -errno;
	(void)syscall(SYS_ioprio_set, 1, 0, 0);
	(void)prctl(PR_SET_TIMERSLACK, 50000);
	return syscall(SYS_personality, 0) < 0 ? -errno : 0;
}

static int
become_user(const struct jail *jail)
{
	uid_t uid = jail->user_uid;

	int error = be_ordinary();
	if (error)
		return error;
	if (syscall(SYS_setresgid, uid, uid, uid) || syscall(SYS_setresuid, uid, uid, uid))
		return -errno;
	return set_capabilities(0);
}

/* Descriptors 0 to 2 are what came; 3 and up are gone. What came lies above 2, as pid 1 holds 0 to 2. */
static int
set_descriptors(const struct jail *jail, int keep)
{
	if (dup2(jail->fds[1], 0) < 0 || dup2(jail->fds[2], 1) < 0 || dup2(jail->fds[3], 2) < 0)
		return -errno;
	if (keep >= 0 && dup3(keep, 3, O_CLOEXEC) < 0 && errno != EINVAL)
		return -errno;
	unsigned first = keep >= 0 ? 4 : 3;
	if (!syscall(SYS_close_range, first, ~0u, 0))
		return 0;
	for (int fd = (int)first; fd < 64; fd++)
		close(fd);
	return 0;
}

static const char *
path_of(char **envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	return "";
}

/* execve along PATH, as the shell looks for commands: EACCES is remembered while the search goes on. Returns errno. */
static int
exec_command(char **argv, char **envp)
{
	char path[4096];
	const char *name = argv[0];
	int error = ENOENT;

	if (strchr(name, '/')) {
		execve(name, argv, envp);
		return errno == ENOENT && !access(name, F_OK) ? ELIBBAD : errno;
	}
	size_t name_len = strlen(name);
	for (const char *dir = path_of(envp); name_len && *dir;) {
		size_t len = strcspn(dir, ":");
		if (len && len + name_len + 2 <= sizeof(path)) {
			memcpy(path, dir, len);
			path[len] = '/';
			memcpy(path + len + 1, name, name_len + 1);
			execve(path, argv, envp);
			if (errno == ENOENT && !access(path, F_OK))
				return ELIBBAD;
			if (errno == EACCES)
				error = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		dir += len + (dir[len] == ':');
	}
	return error;
}

/* The child's part, in pid 1's memory: what goes wrong is left there for it to see. */
static int
start_command(void *argument)
{
	struct jail *jail = argument;
	sigset_t none;
	int error;

	jail->child_step = "become the user";
	if ((error = become_user(jail)))
		goto err;
	jail->child_step = "set descriptors";
	if ((error = set_descriptors(jail, -1)))
		goto err;
	(void)setsid();
	jail->child_step = "files";
	const char *path = NULL;
	if (jail->parcel.head.files && (error = files_write(&jail->parcel, &path)))
		goto err;
	jail->child_step = "cwd";
	if (chdir(jail->parcel.cwd)) {
		error = errno;
		goto err;
	}
	/* Last, so that they bind the command and not what is done for it: the files above, and descriptors 0 to 2. */
	jail->child_step = "set rlimits";
	if ((error = set_rlimits(&jail->order)))
		goto err;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	jail->child_step = "exec";
	error = exec_command(jail->parcel.argv, jail->parcel.envp);
err:
	jail->child_error = error < 0 ? -error : error;
	return 127;
}

/* A file operation's child: a process like a command, that runs our code. */
static _Noreturn void
operate(const struct jail *jail)
{
	if (set_rlimits(&jail->order) || become_user(jail) || set_descriptors(jail, -1) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || chdir(jail->parcel.cwd))
		_exit(errno ? errno : EIO);
	/* What a new session begins with. */
	const char *path = NULL;
	int error = jail->parcel.head.files ? files_write(&jail->parcel, &path) : 0;
	if (error)
		_exit(error);
	_exit(files_operate(jail->order.operation, &jail->parcel));
}

static pid_t
start(struct jail *jail)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));

	if (jail->order.operation == OPERATION_COMMAND) {
		pid_t pid = clone(start_command, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, jail);
		return pid < 0 ? -errno : pid;
	}
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		operate(jail);
	return pid < 0 ? -errno : pid;
}

/* --- pid 1's life ------------------------------------------------------------------------------- */

/* A call that the filter tells of: what comes of it may show at any time, so this sandbox serves no other run. */
static void
hear(struct jail *jail)
{
	if (jail->trace)
		(void)set_capabilities(0);
	jail->trace = NULL;
	(void)seccomp_hear(jail->listener, &jail->filters);
}

/* Waits until fd is readable; what the listener has to say is heard in passing. The launcher's death ends it. */
static void
wait_readable(struct jail *jail, int fd)
{
	struct pollfd fds[3] = {
		{ .fd = fd, .events = POLLIN }, { .fd = FD_LAUNCHER, .events = POLLIN },
		{ .fd = jail->listener, .events = POLLIN },
	};

	for (;;) {
		int n = poll(fds, 3, -1);
		if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0 && fds[1].revents)
			_exit(1);
		if (n > 0 && (fds[2].revents & POLLIN))
			hear(jail);
		if (n > 0 && fds[0].revents)
			return;
	}
}

static void
receive_order(struct jail *jail)
{
	wait_readable(jail, jail->control);
	ssize_t n = message_receive(jail->control, &jail->order, sizeof(jail->order), jail->fds,
	    &jail->fds_len);
	if (n == 0)
		_exit(0);		/* not needed after all */
	if (n != (ssize_t)sizeof(jail->order) || jail->fds_len != 4 + (jail->order.has_copy_out != 0))
		fail(jail, JAIL_FAILED, "receive the order", n < 0 ? (int)n : EPROTO);
	int error = parcel_open(&jail->parcel, jail->fds[0]);
	if (error)
		fail(jail, JAIL_FAILED, "open the parcel", error);
	if (!jail->parcel.head.argc)
		fail(jail, JAIL_FAILED, "open the parcel", EINVAL);
}

static void
close_received(struct jail *jail, size_t keep)
{
	for (size_t i = 0; i < jail->fds_len; i++)
		if (i != keep)
			close(jail->fds[i]);
}

static uint64_t
ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

/* Reaps until the command has ended; what else ends is reaped in passing. */
static void
wait_for(struct jail *jail, pid_t command, int signals, struct jail_report *ended)
{
	struct signalfd_siginfo info[8];
	struct rusage usage;
	int status;

	for (;;) {
		pid_t pid;
		wait_readable(jail, signals);
		(void)!read(signals, info, sizeof(info));
		while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
			if (pid != command)
				continue;
			ended->type = JAIL_ENDED;
			ended->wait_status = status;
			ended->user_ns = ns_of(&usage.ru_utime);
			ended->system_ns = ns_of(&usage.ru_stime);
			ended->max_rss_kb = (uint64_t)usage.ru_maxrss;
			return;
		}
		if (pid < 0 && errno == ECHILD)
			_exit(1);
	}
}

/* Ends all that is left, then lets a child read what copy_out asks for, as the user. */
static void
copy_out(struct jail *jail)
{
	int status;

	while (kill(-1, SIGKILL) == 0 && wait4(-1, &status, 0, NULL) > 0)
		;
	while (wait4(-1, &status, 0, NULL) > 0)
		;
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		int out = jail->fds[4];
		if (become_user(jail) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
			_exit(EIO);
		_exit(files_copy_out(&jail->parcel, out, jail->order.limits.output_kb << 10));
	}
	close(jail->fds[4]);
	if (pid > 0)
		(void)wait_child(pid);
}

/* The last privileges go, unless another process has to be made: to read what copy_out asks for, or for the next run. */
static void
give_up(struct jail *jail)
{
	if (jail->order.has_copy_out || jail->trace)
		return;
	int error = set_capabilities(0);
	if (!error)
		error = seccomp_load(&jail->plan->filters[SECCOMP_INIT]);
	if (error)
		fail(jail, JAIL_FAILED, "give up privileges", error);
}

static bool
is_alone(void)
{
	return wait4(-1, NULL, WNOHANG, NULL) < 0 && errno == ECHILD;
}

/* One run. Returns only if the sandbox is as good as new. */
static void
serve(struct jail *jail, int signals)
{
	struct jail_report ended = { .type = JAIL_ENDED };

	receive_order(jail);
	if (jail->trace && (jail->order.operation != OPERATION_COMMAND || jail->order.has_copy_out ||
	    !trace_begin(jail->trace)))
		jail->trace = NULL;
	pid_t command = start(jail);
	if (command < 0)
		fail(jail, JAIL_FAILED, "start a process", command);
	if (jail->child_error) {
		bool exec = !strcmp(jail->child_step, "exec");
		fail(jail, exec ? JAIL_EXEC : JAIL_FAILED, jail->child_step, jail->child_error);
	}
	/* The child shared our memory when it became the user, which may have set it (fs.suid_dumpable). */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	close_received(jail, jail->order.has_copy_out ? 4 : MESSAGE_FDS_MAX);
	give_up(jail);
	wait_for(jail, command, signals, &ended);
	if (jail->order.has_copy_out)
		copy_out(jail);
	if (jail->plan->early && is_alone())
		ended.alone = jail->trace && trace_clean(jail->trace, command) ? JAIL_CLEAN : JAIL_ALONE;
	if (ended.alone == JAIL_CLEAN)
		parcel_close(&jail->parcel);
	report(jail, &ended);
	if (ended.alone != JAIL_CLEAN)
		_exit(0);
}

static _Noreturn void
live(struct jail *jail)
{
	struct jail_report ready = { .type = JAIL_READY };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		fail(jail, JAIL_FAILED, "signalfd", errno);
	if (jail->plan->reuse && jail->listener >= 0)
		jail->trace = trace_open(jail->fine_times);
	report(jail, &ready);
	for (;;)
		serve(jail, signals);
}

static _Noreturn void
jail_main(const struct jail_plan *plan, int control, bool entered)
{
	struct jail jail = { .plan = plan, .control = control, .entered = entered, .listener = -1, .filters = FILTERS_MAX };

	(void)setpriority(PRIO_PROCESS, 0, JAIL_NICE);
	for (size_t i = 0; i < sizeof(building) / sizeof(building[0]); i++) {
		jail.fault.step = NULL;
		int error = building[i].run(&jail);
		if (error)
			fail(&jail, JAIL_FAILED, jail.fault.step ? jail.fault.step : building[i].name, error);
	}
	live(&jail);
}

pid_t
jail_spawn(const struct jail_plan *plan, int *pidfd, int *control)
{
	int ends[2], fd = -1;

	int error = message_pair(ends);
	if (error)
		return error;
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
	if (plan->netns == JAIL_NET_NEW)
		flags |= CLONE_NEWNET;
	bool entered;
	pid_t pid = cgroup_clone(plan->group, flags, &fd, &entered);
	if (pid == 0)
		jail_main(plan, ends[1], entered);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return pid;
	}
	*pidfd = fd;
	*control = ends[0];
	return pid;
}

/* --- network namespaces ------------------------------------------------------------------------- */

static int
open_netns(void *proc_and_result)
{
	int *fd = proc_and_result, error = loopback_up();

	*fd = error ? error : openat(*fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
	return 0;
}

int
jail_netns(int proc)
{
	char stack[16384] __attribute__((aligned(16)));
	int fd = proc;

	/* With our memory and our descriptors: it leaves one there. */
	pid_t pid = clone(open_netns, stack + sizeof(stack),
	    CLONE_NEWNET | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &fd);
	if (pid < 0)
		return -errno;
	(void)wait_child(pid);
	return fd;
}

/* A copy, since it works beside us: only its descriptors are ours, and its exit status is which. It takes the namespace itself: that
 * which a clone has is made before the clone returns. */
pid_t
jail_netns_begin(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (pid)
		return pid < 0 ? -errno : pid;
	int fd = unshare(CLONE_NEWNET) || loopback_up() ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_exit(fd > 0 && fd < 255 ? fd : 255);
}

int
jail_netns_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -EIO;
}

/* --- user namespaces ---------------------------------------------------------------------------- */

static int
write_map(int proc, pid_t pid, const char *file, const char *text)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	return text_write(proc, path, text);
}

/* Takes another effective uid, and keeps the capabilities: a change away from uid 0 clears the effective ones (capabilities(7)). */
static int
act_as(uid_t uid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) || syscall(SYS_setresuid, -1, uid, -1) ||
	    syscall(SYS_capset, &header, data))
		return -errno;
	/* A change of uid makes us not dumpable, and then a child's files in /proc are not ours to open. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ? -errno : 0;
}

/* A launcher that stayed somebody else could make no further sandbox, and end none. */
static void
act_as_self(uid_t own)
{
	int error = act_as(own);
	if (error)
		_exit(log_failure("take back the launcher's uid", error));
}

/* It has all of the launcher's descriptors, so it must not outlive it: the front would never see the end of their socket. */
static int
hold_userns(void *parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (getppid() == *(pid_t *)parent)
		pause();
	return 0;
}

/* Makes one by a process that waits in it until it is killed. It only waits, so it can do that in our memory: a copy, and our
 * writing to it afterwards, would take longer than all the rest. */
static int
map_userns(int proc, uid_t init_uid, uid_t user_uid, bool one_uid)
{
	char map[96], path[48], stack[16384] __attribute__((aligned(16)));
	int fd = -1, error = 0;
	pid_t parent = getpid();

	pid_t pid = clone(hold_userns, stack + sizeof(stack), CLONE_NEWUSER | CLONE_VM | SIGCHLD, &parent);
	if (pid < 0)
		return -errno;
	if (one_uid) {
		snprintf(map, sizeof(map), "%d %u 1\n", JAIL_UID_USER, (unsigned)user_uid);
		error = write_map(proc, pid, "setgroups", "deny");
	} else {
		snprintf(map, sizeof(map), "%d %u 1\n%d %u 1\n", JAIL_UID_INIT, (unsigned)init_uid,
		    JAIL_UID_USER, (unsigned)user_uid);
	}
	if (!error)
		error = write_map(proc, pid, "uid_map", map);
	if (!error)
		error = write_map(proc, pid, "gid_map", map);
	snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
	if (!error && (fd = openat(proc, path, O_RDONLY | O_CLOEXEC)) < 0)
		error = -errno;
	(void)syscall(SYS_kill, pid, SIGKILL);
	(void)wait_child(pid);
	return error ? error : fd;
}

/* What the kernel bounds for each user (inotify, message queues, signals that wait, namespaces) it counts for the user inside, and
 * again for who made the namespace: made as root, all sandboxes together would have root's share, and use it up. */
int
jail_userns(int proc, uid_t init_uid, uid_t user_uid, bool one_uid)
{
	uid_t own = geteuid();

	int fd = one_uid ? 0 : act_as(user_uid);
	if (fd == 0)
		fd = map_userns(proc, init_uid, user_uid, one_uid);
	if (!one_uid)
		act_as_self(own);
	return fd;
}

const char *
jail_userns_forbidden(bool ordinary)
{
	static const struct {
		const char *path, *forbids, *why;
	} switches[] = {
		{ "/proc/sys/user/max_user_namespaces", "0\n",
		  "user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=15000" },
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0\n",
		  "kernel.unprivileged_userns_clone is 0: start as root, or sysctl -w kernel.unprivileged_userns_clone=1" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n",
		  "AppArmor takes an ordinary user's rights in a user namespace: start as root, load opensandbox's AppArmor profile, "
		  "or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	};
	char text[32];

	for (size_t i = 0; i < (ordinary ? sizeof(switches) / sizeof(switches[0]) : 1); i++)
		if (text_read(AT_FDCWD, switches[i].path, text, sizeof(text)) > 0 && !strcmp(text, switches[i].forbids))
			return switches[i].why;
	return NULL;
}

void
jail_kill(int pidfd, uid_t user_uid)
{
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0 || errno != EPERM)
		return;
	uid_t own = geteuid();
	(void)act_as(user_uid);
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	act_as_self(own);
}
