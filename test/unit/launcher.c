/* needs: available.c buf.c cgroup.c cgroup_files.c cgroup_v1.c cgroup_v2.c files.c init.c jail.c json.c launcher_open.c launcher_run.c launcher_slot.c limit.c log.c message.c parcel.c result.c root.c sample.c seccomp.c seccomp_table.c store.c time_text.c token.c trace.c uid.c wait.c */
/* launcher.c's tests: what a server that has been taken over can make of it
 *
 * The test is the front. It sends what the front's code never would: random bytes, messages that are almost right, descriptors of
 * every kind. OPENSANDBOX_MESSAGES says how many (100,000). Everything happens in a child with a mount namespace of its own. */
#include "../../launcher.c"
#include "../../launcher_request.c"

#include <dirent.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "../../parcel.h"
#include "test.h"

enum { RUNS = 4, SESSIONS = 8, MESSAGES = 100000, FAILED = 99 };

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t any(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return below ? (seed >> 11) % below : seed;
}

#define MUST(condition) \
	do { \
		if (!(condition)) { \
			printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
			fflush(stdout); \
			_exit(FAILED); \
		} \
	} while (0)

/* --- a launcher in a child ------------------------------------------------------------------------ */

static char state_dir[64];

static void make_state_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(state_dir, sizeof(state_dir), "%.40s/launcher.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(state_dir))
		state_dir[0] = '\0';
}

static struct launcher *opened(void)
{
	struct launcher_config config = {
		.runs_max = RUNS, .sessions_max = SESSIONS, .state_dir = state_dir, .reuse = true,
		.ceilings.time_ms = 1000000,
	};
	struct root_fault fault = { NULL };
	struct launcher *launcher = NULL;

	/* What it mounts must not be seen outside, whatever becomes of it. */
	MUST(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int error = launcher_open(&launcher, &config, &fault);
	if (error)
		printf("# launcher: %s: %s\n", fault.step, strerror(-error));
	MUST(!error);
	return launcher;
}

/* What is said of violations is not wanted. */
static void hush(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
}

/* Runs `body` in a child: its exit status, or -1 for a signal. */
static int in_child(void (*body)(void))
{
	int status;

	fflush(stdout);
	make_state_dir();
	pid_t pid = fork();
	if (pid == 0) {
		body();
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (state_dir[0] && rmdir(state_dir)) {
		char command[128];
		snprintf(command, sizeof(command), "rm -rf '%s'", state_dir);
		if (system(command))
			printf("# left: %s\n", state_dir);
	}
	if (WIFSIGNALED(status))
		printf("# died of signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- what is sent -------------------------------------------------------------------------------- */

static int sealed(bool right)
{
	struct buf buf;
	static const char *const commands[] = { "true", "nosuch", "/", "sleep" };

	buf_init(&buf, 4096);
	parcel_begin(&buf);
	parcel_arg(&buf, str_of(commands[any(4)]));
	parcel_arg(&buf, STR("1"));
	parcel_cwd(&buf, STR("/"));
	if (!right)
		for (int i = 0; i < 4; i++)
			buf.data[any(buf.len)] = (char)any(256);
	int fd = any(2) ? parcel_post("test", buf_str(&buf)) : parcel_seal("test", buf_str(&buf));
	buf_free(&buf);
	return fd;
}

enum kind {
	KIND_PARCEL, KIND_BAD_PARCEL, KIND_NULL, KIND_PIPE_READ, KIND_PIPE_WRITE, KIND_MEMFD, KIND_RIGHT, KIND_DIRECTORY = KIND_RIGHT,
	KIND_SOCKET, KIND_OWN_SOCKET, KIND_EPOLL, KIND_EVENTFD, KIND_TIMERFD, KIND_SIGNALFD, KIND_INOTIFY, KIND_PIDFD, KIND_ZERO,
	KIND_PATH, KIND_RECORD, KIND_LARGE, KINDS
};

static int given[KINDS];
static uint64_t nofile_max;

/* One of each kind, made once; the parcels anew each time. */
static void make_kinds(int own)
{
	int pipe_ends[2], sockets[2];
	sigset_t none;

	sigemptyset(&none);
	MUST(!pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	given[KIND_PARCEL] = given[KIND_BAD_PARCEL] = -1;
	given[KIND_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	given[KIND_PIPE_READ] = pipe_ends[0];
	given[KIND_PIPE_WRITE] = pipe_ends[1];
	given[KIND_MEMFD] = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	given[KIND_DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	given[KIND_SOCKET] = sockets[0];
	given[KIND_OWN_SOCKET] = own;
	given[KIND_EPOLL] = epoll_create1(EPOLL_CLOEXEC);
	given[KIND_EVENTFD] = eventfd(0, EFD_CLOEXEC);
	given[KIND_TIMERFD] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	given[KIND_SIGNALFD] = signalfd(-1, &none, SFD_CLOEXEC);
	given[KIND_INOTIFY] = inotify_init1(IN_CLOEXEC);
	given[KIND_PIDFD] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	given[KIND_ZERO] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	given[KIND_PATH] = open("/", O_PATH | O_CLOEXEC);
	given[KIND_RECORD] = parcel_seal("record", STR("record"));
	char *large = calloc(1, MESSAGE_META_MAX + 1);
	given[KIND_LARGE] = large ? parcel_seal("record", (struct str){ large, MESSAGE_META_MAX + 1 }) : -1;
	free(large);
	for (int i = KIND_NULL; i < KINDS; i++)
		MUST(given[i] >= 0);
}

static void fill_limits(struct limits *limits)
{
	memset(limits, 0, sizeof(*limits));
	limits->time_ms = 200;
	limits->wall_time_ms = 300;
	limits_resolve(limits, NULL);
}

static void fill_id(char id[MESSAGE_ID_MAX])
{
	snprintf(id, MESSAGE_ID_MAX, "0000000%u-0000-4000-8000-000000000000", (unsigned)any(SESSIONS + 2));
}

struct sent {
	union message message;
	size_t len, fds_len;
	enum kind kinds[MESSAGE_FDS_MAX];
};

/* A message as our front would send it. */
static void fill_right(struct sent *sent)
{
	static const uint32_t types[] = { MESSAGE_RUN, MESSAGE_CANCEL, MESSAGE_SESSION_OPEN, MESSAGE_SESSION_SAVE,
		MESSAGE_SESSION_CLOSE, MESSAGE_SESSION_USAGE, MESSAGE_GOODBYE };

	memset(sent, 0, sizeof(*sent));
	sent->message.type = types[any(sizeof(types) / sizeof(types[0]))];
	switch (sent->message.type) {
	case MESSAGE_RUN:
	case MESSAGE_CANCEL: {
		struct message_run *run = &sent->message.run;
		run->run = (uint32_t)any(RUNS);
		run->generation = (uint32_t)any(4);
		run->operation = (uint32_t)any(3) ? OPERATION_COMMAND : (uint32_t)any(OPERATIONS_LEN);
		run->has_copy_out = (uint32_t)any(2);
		fill_limits(&run->limits);
		if (any(3) == 0)
			fill_id(run->session);
		sent->len = sizeof(*run);
		if (run->type == MESSAGE_CANCEL)
			return;
		sent->fds_len = 4 + run->has_copy_out;
		sent->kinds[0] = any(4) ? KIND_PARCEL : KIND_BAD_PARCEL;
		sent->kinds[1] = any(2) ? KIND_NULL : KIND_MEMFD;
		sent->kinds[2] = sent->kinds[3] = KIND_PIPE_WRITE;
		sent->kinds[4] = KIND_NULL;
		return;
	}
	case MESSAGE_GOODBYE:
		sent->message.plain.session_keep = (uint32_t)any(2);
		sent->len = sizeof(sent->message.plain);
		return;
	default:
		fill_id(sent->message.session.id);
		sent->message.session.serial = (uint32_t)any(0);
		sent->message.session.disk_kb = 1024 + any(1024);
		sent->len = sizeof(sent->message.session);
		sent->fds_len = sent->message.type <= MESSAGE_SESSION_SAVE;
		sent->kinds[0] = KIND_PARCEL;
	}
}

static void spoil(struct sent *sent)
{
	static const uint64_t values[] = { 0, 1, 2, 63, 64, 65, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX };
	unsigned char *bytes = (unsigned char *)&sent->message;
	size_t at;

	switch (any(7)) {
	case 0:
		bytes[any(sent->len ? sent->len : 1)] = (unsigned char)any(256);
		break;
	case 1:		/* a number, at a place of one */
		at = any(sent->len / 4 + 1) * 4;
		if (at + 8 <= sizeof(sent->message))
			memcpy(bytes + at, &values[any(sizeof(values) / sizeof(values[0]))], any(2) ? 4 : 8);
		break;
	case 2:
		sent->len = 1 + any(sizeof(sent->message));	/* none is the end of the stream */
		break;
	case 3:
		sent->fds_len = any(MESSAGE_FDS_MAX + 1);
		break;
	case 4:
		sent->kinds[any(MESSAGE_FDS_MAX)] = (enum kind)any(KINDS);
		break;
	case 5:
		sent->message.type = (uint32_t)any(80);
		break;
	case 6:
		for (size_t i = 0; i < sizeof(sent->message); i++)
			bytes[i] = (unsigned char)any(256);
		sent->message.type = (uint32_t)any(8);
	}
}

static int send_it(int front, const struct sent *sent)
{
	int fds[MESSAGE_FDS_MAX] = { -1 }, made[MESSAGE_FDS_MAX];
	size_t made_len = 0;

	for (size_t i = 0; i < sent->fds_len; i++) {
		fds[i] = given[sent->kinds[i]];
		if (fds[i] < 0) {
			fds[i] = made[made_len++] = sealed(sent->kinds[i] == KIND_PARCEL);
			MUST(fds[i] >= 0);
		}
	}
	int error = message_send(front, &sent->message, sent->len, fds, sent->fds_len);
	while (made_len)
		close(made[--made_len]);
	return error;
}

/* --- the storm ----------------------------------------------------------------------------------- */

static int count_descriptors(int proc)
{
	int fd = openat(proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	MUST(directory != NULL);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

/* One round of launcher_serve's loop; a violation is forgiven, so that the next message meets the same launcher. */
static void turn(struct launcher *launcher, uint64_t *violations)
{
	MUST(!wait_round(launcher));
	slots_step(launcher);
	flush_outbox(launcher);
	if (wait_ready(&launcher->wait, launcher->wait_front))
		MUST(launcher_take_requests(launcher));
	store_reap(launcher->store);
	*violations += launcher->front_failed;
	launcher->front_failed = false;
}

/* Nothing that the API would not give is going on. */
static void check_state(const struct launcher *launcher)
{
	struct store_session *session;
	size_t living = 0;

	/* Those that are going away may be more: their files take a while. */
	for (size_t i = 0; (session = store_at(launcher->store, i)); i++)
		living += !session->closing;
	MUST(living <= SESSIONS);
	for (size_t i = 0; i < launcher->slots_len; i++) {
		const struct slot *slot = &launcher->slots[i];
		struct stat stat;
		if (slot->state == SLOT_EMPTY)
			continue;
		MUST(slot->network == NETWORK_NONE);
		if (!slot->has_run)
			continue;
		MUST(slot->run.run < RUNS && slot->run.operation < OPERATIONS_LEN);
		MUST(limits_valid(launcher, &slot->run.limits, slot->run.operation));
		for (size_t j = 0; j < slot->fds_len; j++) {
			MUST(!fstat(slot->fds[j], &stat));
			MUST(S_ISFIFO(stat.st_mode) || S_ISREG(stat.st_mode) ||
			    (S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3)));
			MUST(j > 0 || S_ISFIFO(stat.st_mode) || (fcntl(slot->fds[j], F_GET_SEALS) & F_SEAL_WRITE));
		}
	}
}

static uint64_t take_answers(int front)
{
	union message answer;
	int fds[MESSAGE_FDS_MAX];
	size_t fds_len;
	ssize_t n;
	uint64_t results = 0;

	while ((n = message_receive(front, &answer, sizeof(answer), fds, &fds_len)) > 0) {
		MUST(answer.type >= MESSAGE_RESULT && answer.type <= MESSAGE_DRAIN);
		if (answer.type == MESSAGE_RESULT) {
			MUST(answer.result.run < RUNS && answer.result.verdict < VERDICTS_LEN);
			results++;
		}
		while (fds_len)
			close(fds[--fds_len]);
	}
	return results;
}

static bool is_busy(const struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->slots_len; i++)
		if (launcher->slots[i].state != SLOT_EMPTY && launcher->slots[i].has_run)
			return true;
	return false;
}

static void storm(void)
{
	const char *wanted = getenv("OPENSANDBOX_MESSAGES");
	uint64_t messages = wanted ? strtoull(wanted, NULL, 10) : MESSAGES, violations = 0, results = 0;
	struct launcher *launcher = opened();
	struct timespec began, now;
	int ends[2];

	hush();
	MUST(!message_pair(ends));
	launcher->front = ends[1];
	launcher->front_pidfd = -1;
	make_kinds(ends[0]);
	turn(launcher, &violations);
	int before = count_descriptors(root_proc(launcher->root));
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (uint64_t i = 0; i < messages; i++) {
		struct sent sent;
		fill_right(&sent);
		/* Most runs are spoilt: a right one takes milliseconds. */
		for (uint64_t n = sent.message.type == MESSAGE_RUN && i % 64 ? 1 + any(3) : any(3); n > 0; n--)
			spoil(&sent);
		MUST(!send_it(ends[0], &sent));
		turn(launcher, &violations);
		check_state(launcher);
		results += take_answers(ends[0]);
	}
	time_t sent_all = time(NULL);
	while (is_busy(launcher)) {
		struct sent usage = { .message.session = { .type = MESSAGE_SESSION_USAGE, .id = "none" },
			.len = sizeof(usage.message.session) };
		MUST(!send_it(ends[0], &usage));
		turn(launcher, &violations);
		results += take_answers(ends[0]);
		clock_gettime(CLOCK_MONOTONIC, &now);
		MUST(time(NULL) - sent_all < 600);
		usleep(1000);
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("# %llu messages in %ld s: %llu violations, %llu runs\n", (unsigned long long)messages,
	    (long)(now.tv_sec - began.tv_sec), (unsigned long long)violations, (unsigned long long)results);
	/* Both roads were taken. */
	MUST(violations > messages / 10 && results > messages / 1000);
	/* What is open at the end: groups and namespaces of the slots, and no more. */
	int slots = (int)launcher->slots_len;
	MUST(count_descriptors(root_proc(launcher->root)) <= before + 12 * slots + SESSIONS);
	launcher->front_pid = fork();
	if (launcher->front_pid == 0)
		_exit(0);
	(void)finish_serving(launcher);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST("a taken-over server that sends messages at random gets nothing that the API would not give")
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK_INT(in_child(storm), 0);
}

/* --- what ends a front ---------------------------------------------------------------------------- */

static void bad_type(struct sent *sent) { sent->message.type = 0; }
static void bad_answer(struct sent *sent) { sent->message.type = MESSAGE_RESULT; }
static void bad_huge_type(struct sent *sent) { sent->message.type = UINT32_MAX; }
static void bad_length(struct sent *sent) { sent->len--; }
static void bad_empty(struct sent *sent) { sent->len = 1; }
static void bad_nothing(struct sent *sent) { sent->len = sent->fds_len = 0; }
static void bad_run(struct sent *sent) { sent->message.run.run = RUNS; }
static void bad_operation(struct sent *sent) { sent->message.run.operation = OPERATIONS_LEN; }
static void bad_network(struct sent *sent) { sent->message.run.network = NETWORK_HOST; }
static void bad_limit(struct sent *sent) { sent->message.run.limits.mem_kb = 0; }
static void bad_great_limit(struct sent *sent) { sent->message.run.limits.time_ms = UINT64_MAX; }
static void bad_ceiling(struct sent *sent) { sent->message.run.limits.time_ms = 1000001; }
static void bad_copy_out(struct sent *sent) { sent->message.run.has_copy_out = 2; }
static void bad_count(struct sent *sent) { sent->fds_len = 3; }
static void bad_great_count(struct sent *sent) { sent->fds_len = 5, sent->kinds[4] = KIND_NULL; }
static void bad_parcel(struct sent *sent) { sent->kinds[0] = KIND_MEMFD; }
static void bad_stdin(struct sent *sent) { sent->kinds[1] = KIND_DIRECTORY; }
static void bad_stdout(struct sent *sent) { sent->kinds[2] = KIND_SOCKET; }
static void bad_stderr(struct sent *sent) { sent->kinds[3] = KIND_OWN_SOCKET; }
static void bad_pidfd(struct sent *sent) { sent->kinds[1] = KIND_PIDFD; }
static void bad_epoll(struct sent *sent) { sent->kinds[1] = KIND_EPOLL; }
static void bad_device(struct sent *sent) { sent->kinds[1] = KIND_ZERO; }
static void bad_path(struct sent *sent) { sent->kinds[1] = KIND_PATH; }
static void bad_nofile(struct sent *sent) { sent->message.run.limits.nofile = nofile_max + 1; }
static void bad_session(struct sent *sent)
{
	*sent = (struct sent){ .len = sizeof(sent->message.session), .fds_len = 1, .kinds[0] = KIND_RECORD };
	sent->message.session = (struct message_session){ .type = MESSAGE_SESSION_OPEN, .disk_kb = 1024, .id = "0-0" };
}
static void bad_id(struct sent *sent) { bad_session(sent), snprintf(sent->message.session.id, MESSAGE_ID_MAX, "../block"); }
static void bad_session_network(struct sent *sent) { bad_session(sent), sent->message.session.network = NETWORK_HOST; }
static void bad_disk(struct sent *sent) { bad_session(sent), sent->message.session.disk_kb = 0; }
static void bad_great_disk(struct sent *sent) { bad_session(sent), sent->message.session.disk_kb = UINT64_MAX; }
static void bad_record(struct sent *sent) { bad_session(sent), sent->kinds[0] = KIND_MEMFD; }
static void bad_no_record(struct sent *sent) { bad_session(sent), sent->fds_len = 0; }
static void bad_cancel(struct sent *sent) { sent->message.type = MESSAGE_CANCEL, sent->fds_len = 1; }
static void bad_great_record(struct sent *sent) { bad_session(sent), sent->kinds[0] = KIND_LARGE; }

static const struct {
	const char *what;
	void (*spoil)(struct sent *);
} bad[] = {
	{ "no type", bad_type }, { "an answer", bad_answer }, { "a huge type", bad_huge_type }, { "a short message", bad_length },
	{ "one byte", bad_empty }, { "an empty message", bad_nothing }, { "a run beyond the greatest", bad_run }, { "an unknown operation", bad_operation },
	{ "the host's network", bad_network }, { "no memory", bad_limit }, { "endless time", bad_great_limit },
	{ "more than the operator's ceiling", bad_ceiling }, { "copy_out twice", bad_copy_out }, { "too few descriptors", bad_count }, { "one too many", bad_great_count }, { "an unsealed parcel", bad_parcel },
	{ "a directory", bad_stdin }, { "a socket", bad_stdout }, { "its own socket", bad_stderr }, { "a pidfd", bad_pidfd },
	{ "an epoll", bad_epoll }, { "a device", bad_device }, { "a path", bad_path }, { "more open files than there can be", bad_nofile },
	{ "a session's id that is a path", bad_id }, { "the host's network for a session", bad_session_network },
	{ "a session without a disk", bad_disk }, { "a session's endless disk", bad_great_disk }, { "an unsealed record", bad_record },
	{ "no record", bad_no_record }, { "a descriptor with a cancel", bad_cancel }, { "a record that is too long", bad_great_record },
};

enum { BAD_LEN = sizeof(bad) / sizeof(bad[0]) };

static void fill_run(struct sent *sent, uint32_t number)
{
	memset(sent, 0, sizeof(*sent));
	sent->message.run = (struct message_run){ .type = MESSAGE_RUN, .run = number };
	fill_limits(&sent->message.run.limits);
	sent->len = sizeof(sent->message.run);
	sent->fds_len = 4;
	sent->kinds[0] = KIND_PARCEL;
	sent->kinds[1] = sent->kinds[2] = sent->kinds[3] = KIND_NULL;
}

static size_t current;

/* A front that begins a run, breaks the protocol, and waits. */
static void break_protocol(int front)
{
	struct sent sent;

	make_kinds(front);
	fill_run(&sent, 0);
	MUST(!send_it(front, &sent));
	usleep(20000);
	fill_run(&sent, 1);
	bad[current].spoil(&sent);
	MUST(!send_it(front, &sent));
	sleep(5);
	_exit(0);
}

static void serve_broken(void)
{
	struct launcher *launcher = opened();
	int ends[2];

	hush();
	MUST(!message_pair(ends));
	nofile_max = launcher->facts.nofile_max;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		break_protocol(ends[0]);
	}
	close(ends[0]);
	int status = launcher_serve(launcher, ends[1], pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST("a malformed message of each kind ends the front, and the launcher ends in good order")
{
	if (geteuid() != 0)
		SKIP("needs root");
	for (current = 0; current < BAD_LEN; current++) {
		int status = in_child(serve_broken);
		if (status)
			printf("# %s\n", bad[current].what);
		CHECK_INT(status, 0);
	}
}

/* A front that does not take its answers. */
static void serve_deaf(void)
{
	struct launcher *launcher = opened();
	int ends[2];

	hush();
	MUST(!message_pair(ends));
	pid_t pid = fork();
	if (pid == 0) {
		struct message_session usage = { .type = MESSAGE_SESSION_USAGE, .id = "0-0" };
		close(ends[1]);
		for (;;)
			if (message_send(ends[0], &usage, sizeof(usage), NULL, 0) == -EAGAIN)
				usleep(100);
	}
	close(ends[0]);
	int status = launcher_serve(launcher, ends[1], pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST("a front that asks without end and takes no answer is ended")
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK_INT(in_child(serve_deaf), 0);
}

/* All numbers are used at once, again and again, faster than sandboxes go away. */
static void serve_fast(void)
{
	struct launcher *launcher = opened();
	uint64_t violations = 0, results = 0, sent_runs = 0;
	bool in_use[RUNS] = { false };
	int ends[2];

	hush();
	MUST(!message_pair(ends));
	launcher->front = ends[1];
	launcher->front_pidfd = -1;
	make_kinds(ends[0]);
	while (results < 300) {
		struct sent sent;
		union message answer;
		int fds[MESSAGE_FDS_MAX];
		size_t fds_len;
		for (uint32_t i = 0; i < RUNS; i++) {
			if (in_use[i])
				continue;
			fill_run(&sent, i);
			/* An operation leaves a trace or none by turns. */
			sent.message.run.operation = sent_runs % 3 ? OPERATION_COMMAND : OPERATION_STAT;
			MUST(!send_it(ends[0], &sent));
			in_use[i] = true;
			sent_runs++;
		}
		turn(launcher, &violations);
		MUST(violations == 0);
		while (message_receive(ends[0], &answer, sizeof(answer), fds, &fds_len) > 0)
			if (answer.type == MESSAGE_RESULT) {
				in_use[answer.result.run] = false;
				results++;
			}
	}
	launcher->front_pid = fork();
	if (launcher->front_pid == 0)
		_exit(0);
	(void)finish_serving(launcher);
}

TEST("a front that keeps to its numbers never finds too few places, however fast it is")
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK_INT(in_child(serve_fast), 0);
}

static bool short_with(const char *meminfo)
{
	char dir[] = "/tmp/meminfo.XXXXXX", path[64];

	MUST(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/meminfo", dir);
	FILE *file = fopen(path, "w");
	MUST(file && fputs(meminfo, file) >= 0 && !fclose(file));
	int proc = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_short = memory_is_short(proc);
	close(proc);
	MUST(!unlink(path) && !rmdir(dir));
	return is_short;
}

/* The launcher asks before it makes one, and makes it when there is enough again. */
static void serve_short(void)
{
	struct launcher *launcher = opened();
	int ends[2], errors[2], fds[MESSAGE_FDS_MAX];
	union message answer;
	uint64_t violations = 0;
	size_t fds_len;

	hush();
	MUST(!message_pair(ends));
	launcher->front = ends[1];
	launcher->front_pidfd = -1;
	launcher->no_spare = true;
	make_kinds(ends[0]);
	MUST(!mount("none", "/dev", "tmpfs", 0, NULL) && !mkdir("/dev/proc", 0700));
	FILE *file = fopen("/dev/proc/meminfo", "w");
	MUST(file && fputs("MemAvailable: 65535 kB\n", file) >= 0 && !fclose(file));
	int proc = root_proc(launcher->root), saved = dup(proc), fake = open("/dev/proc", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 2; i++) {
		struct sent sent;
		bad_session(&sent);
		MUST(dup2(i ? saved : fake, proc) == proc && !send_it(ends[0], &sent));
		turn(launcher, &violations);
		MUST(message_receive(ends[0], &answer, sizeof(answer), fds, &fds_len) > 0);
		MUST(answer.type == MESSAGE_SESSION_DONE && !violations);
		errors[i] = (int)answer.session.error;
	}
	MUST(errors[0] == ENOMEM && errors[1] == 0);
	launcher->front_pid = fork();
	if (launcher->front_pid == 0)
		_exit(0);
	(void)finish_serving(launcher);
}

TEST("no session is made where less than 64 MB of the host's memory is available")
{
	CHECK(short_with("MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable:      65535 kB\nBuffers: 0 kB\n"));
	CHECK(short_with("MemAvailable: 0 kB\n"));
	CHECK(!short_with("MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable:      65536 kB\nBuffers: 0 kB\n"));
	CHECK(!short_with("MemTotal: 8000000 kB\n"));
	CHECK(!memory_is_short(-1));
	if (geteuid() == 0)
		CHECK_INT(in_child(serve_short), 0);
}

TEST_MAIN()
