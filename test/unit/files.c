/* needs: buf.c parcel.c */
/* files.c - uploads, downloads, listings, deletion and copies, against files that fight back
 *
 * Each case runs in a process of its own, as an ordinary user, in an empty directory; each
 * operation in a child of that, with pipes, as pid 1 of a sandbox would start it. Where another
 * process interferes it is a real one, but for the few moments that have to be hit exactly: there
 * the call of the system that is about to be made calls the test first. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static int test_openat(int dir, const char *path, int flags, ...);
static ssize_t test_pread(int fd, void *data, size_t size, off_t offset);
static int test_fstat(int fd, struct stat *stat);
#define openat(...) test_openat(__VA_ARGS__)
#define pread(...) test_pread(__VA_ARGS__)
#define fstat(...) test_fstat(__VA_ARGS__)
#include "../../files.c"
#undef openat
#undef pread
#undef fstat

#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

enum {
	USER = 65534,
	SECONDS_MAX = 120,		/* then a case hangs */
	OUT_MAX = 64 << 20,
	DEEP = 100000, WIDE = 100000,
};

/* --- seams ------------------------------------------------------------------------------------ */

static bool no_tmpfile;			/* as on file systems that have none */
static void (*before_pread)(void);
static void (*after_fstat)(void);
static void (*before_content)(void);	/* a file is opened to be read */
static void (*before_doomed)(void);	/* a directory is opened to be emptied */

static int
test_openat(int dir, const char *path, int flags, ...)
{
	va_list list;

	va_start(list, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (before_content && flags & O_NOCTTY)
		before_content();
	if (before_doomed && (flags & (O_DIRECTORY | O_PATH)) == O_DIRECTORY)
		before_doomed();
	return openat(dir, path, flags, mode);
}

static ssize_t
test_pread(int fd, void *data, size_t size, off_t offset)
{
	if (before_pread)
		before_pread();
	return pread(fd, data, size, offset);
}

static int
test_fstat(int fd, struct stat *stat)
{
	int result = fstat(fd, stat);

	if (after_fstat)
		after_fstat();
	return result;
}

/* --- rooms ------------------------------------------------------------------------------------ */

enum room_kind { ROOM_DISK, ROOM_MEMORY, ROOM_SMALL };

struct outcome {
	int failures;
	const char *skipped;
};

static bool
mount_memory(const char *path, const char *options)
{
	return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	    !mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static _Noreturn void
room_inside(const char *path, enum room_kind kind, void (*body)(void), struct outcome *outcome)
{
	const char *options = kind == ROOM_SMALL ? "size=1m,nr_inodes=64,mode=777" : "mode=777";

	alarm(SECONDS_MAX);
	if (kind == ROOM_SMALL && !mount_memory(path, options)) {
		outcome->skipped = "a file system of its own cannot be mounted here";
		_exit(0);
	}
	if (kind == ROOM_MEMORY)
		(void)mount_memory(path, options);	/* else it is made on the disk: slower */
	if (chdir(path))
		_exit(1);
	if (!geteuid() && (setgroups(0, NULL) || setresgid(USER, USER, USER) ||
	    setresuid(USER, USER, USER)))
		_exit(1);
	umask(022);
	(void)signal(SIGPIPE, SIG_DFL);
	body();
	outcome->failures = test_failures;
	outcome->skipped = test_skipped;
	fflush(stdout);
	_exit(0);
}

static void
room(enum room_kind kind, void (*body)(void))
{
	char path[] = "/tmp/files-XXXXXX";
	struct outcome *outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1;

	CHECK(outcome != MAP_FAILED && mkdtemp(path));
	CHECK(geteuid() || !chown(path, USER, USER));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		room_inside(path, kind, body, outcome);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	test_failures += outcome->failures;
	test_skipped = outcome->skipped;
	munmap(outcome, sizeof(*outcome));
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "chmod -R u+rwx \"$0\" 2>&-; rm -rf \"$0\"", path,
		    (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
}

#define ROOM_CASE(sentence, kind, line) \
	static void TEST_JOIN(room_body_, line)(void); \
	TEST(sentence) \
	{ \
		room(kind, TEST_JOIN(room_body_, line)); \
	} \
	static void TEST_JOIN(room_body_, line)(void)
#define ROOM(sentence) ROOM_CASE(sentence, ROOM_DISK, __LINE__)
#define ROOM_IN_MEMORY(sentence) ROOM_CASE(sentence, ROOM_MEMORY, __LINE__)
#define ROOM_OF_1_MB(sentence) ROOM_CASE(sentence, ROOM_SMALL, __LINE__)

/* --- operations ------------------------------------------------------------------------------- */

struct reply {
	int error;		/* exit code; -signal where one ended it */
	char *out;		/* OUT_MAX bytes, of which len are written */
	size_t len;
};

static void
pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* What a test leaves set in the process of an operation. */
static struct {
	rlim_t nofile, fsize;
	bool interrupted;	/* a signal every 2 ms */
	bool slow;		/* content comes and goes in small pieces with pauses */
	bool nonblocking;
	mode_t mask;
} process;

static void
on_alarm(int number)
{
	(void)number;
}

/* Nothing outlives the case that started it, also where that is ended because something hangs. */
static pid_t
fork_bound(void)
{
	fflush(stdout);
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void
process_begin(void)
{
	struct rlimit limit = { process.nofile, process.nofile };
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };

	if (process.nofile)
		setrlimit(RLIMIT_NOFILE, &limit);
	limit = (struct rlimit){ process.fsize, process.fsize };
	if (process.fsize) {
		(void)signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	if (process.interrupted) {
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &timer, NULL);
	}
	if (process.mask)
		umask(process.mask);
	if (process.nonblocking) {
		fcntl(0, F_SETFL, O_NONBLOCK);
		fcntl(1, F_SETFL, O_NONBLOCK);
	}
}

static _Noreturn void
feed(int fd, const char *data, size_t len)
{
	while (len) {
		size_t piece = process.slow && len > 5000 ? 5000 : len;
		if (process.slow)
			pause_ms(3);
		ssize_t n = write(fd, data, piece);
		if (n < 0)
			break;
		data += n;
		len -= (size_t)n;
	}
	_exit(0);
}

/* Starts a process whose descriptors 0 and 1 are pipes: their other ends. */
static pid_t
start_process(int (*run)(void *), void *argument, int *in, int *out)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		abort();
	pid_t pid = fork_bound();
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		process_begin();
		_exit(run(argument));
	}
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = from[0];
	return pid;
}

static int
end_process(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct reply
run_process(int (*run)(void *), void *argument, const void *in, size_t in_len)
{
	struct reply reply = { 0 };
	int to, from;

	reply.out = mmap(NULL, OUT_MAX, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reply.out == MAP_FAILED)
		abort();
	pid_t pid = start_process(run, argument, &to, &from), feeder = fork_bound();
	if (feeder == 0) {
		close(from);
		feed(to, in, in_len);
	}
	close(to);
	for (;;) {
		size_t piece = process.slow ? 7000 : OUT_MAX - reply.len;
		if (process.slow)
			pause_ms(3);
		ssize_t n = read(from, reply.out + reply.len, piece);
		if (n <= 0)
			break;
		reply.len += (size_t)n;
	}
	close(from);
	reply.error = end_process(pid);
	end_process(feeder);
	return reply;
}

static void
reply_free(struct reply *reply)
{
	munmap(reply->out, OUT_MAX);
}

struct operation_call {
	uint32_t operation;
	char argument[4][8192];
};

static int
call_operation(void *argument)
{
	struct operation_call *call = argument;
	char *argv[] = { call->argument[0], call->argument[1], call->argument[2], call->argument[3], NULL };
	struct parcel parcel = { .head = { .argc = 4 }, .argv = argv };

	return files_operate(call->operation, &parcel);
}

static struct operation_call
operation_call(uint32_t operation, const char *path, const char *second, const char *third)
{
	struct operation_call call = { .operation = operation };

	snprintf(call.argument[0], sizeof(call.argument[0]), "%s", path);
	snprintf(call.argument[1], sizeof(call.argument[1]), "%s", second);
	snprintf(call.argument[2], sizeof(call.argument[2]), "%s", third);
	return call;
}

static struct reply
operate(uint32_t operation, const char *path, const char *second, const char *third,
    const void *in, size_t in_len)
{
	struct operation_call call = operation_call(operation, path, second, third);

	return run_process(call_operation, &call, in, in_len);
}

/* An errno; what PUT tells about the name is in *existed: '0', '1', or 0 where it tells nothing. */
static int
put_told(const char *path, const char *mode, const char *len, struct str content, char *existed)
{
	struct reply reply = operate(OPERATION_PUT, path, mode, len, content.data, content.len);
	int error = reply.error;

	*existed = reply.len == 1 ? reply.out[0] : 0;
	CHECK_INT(reply.len, !error);
	reply_free(&reply);
	return error;
}

static int
put(const char *path, struct str content)
{
	char existed;

	return put_told(path, "", "", content, &existed);
}

static int
delete(const char *path)
{
	struct reply reply = operate(OPERATION_DELETE, path, "", "", "", 0);
	int error = reply.error;

	CHECK_INT(reply.len, 0);
	reply_free(&reply);
	return error;
}

static struct reply
get_range(const char *path, const char *offset, const char *len, struct files_head *head)
{
	struct reply reply = operate(OPERATION_GET, path, offset, len, "", 0);

	memset(head, 0xff, sizeof(*head));
	if (reply.len < sizeof(*head))
		return reply;
	memcpy(head, reply.out, sizeof(*head));
	reply.len -= sizeof(*head);
	memmove(reply.out, reply.out + sizeof(*head), reply.len);
	return reply;
}

static int
get_error(const char *path)
{
	struct files_head head;
	struct reply reply = get_range(path, "", "", &head);
	int error = reply.error;

	CHECK(!error || !reply.len);
	reply_free(&reply);
	return error;
}

/* --- files ------------------------------------------------------------------------------------ */

static void
make_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, data, len), len);
	close(fd);
}

static void
make_text(const char *path, const char *text)
{
	make_file(path, text, strlen(text));
}

static bool
holds(const char *path, struct str content)
{
	static char data[4 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)content.len && !memcmp(data, content.data, content.len);
}

static bool
there(const char *path)
{
	struct stat stat;

	return !lstat(path, &stat);
}

static mode_t
mode_at(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) ? 0 : stat.st_mode & 07777;
}

/* How many names there are, and in *ours how many of them are of our making. */
static size_t
count(const char *path, size_t *ours)
{
	struct listing listing;
	const struct record *record;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	listing_begin(&listing, fd);
	for (*ours = 0; (record = listing_next(&listing)); n++)
		*ours += !strncmp(record->name, ".opensandbox-", 13);
	close(fd);
	return n;
}

static size_t
count_of(const char *path)
{
	size_t ours, n = count(path, &ours);

	return n;
}

/* A chain of directories below `path`, each with a file; at most 0700 of `mode` at first. */
static void
make_deep(const char *path, size_t depth, mode_t mode, bool with_files)
{
	CHECK(!mkdir(path, 0755));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < depth; i++) {
		int next = mkdirat(dir, "d", 0755) ? -1 :
		    openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int file = with_files ? openat(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
		if (file >= 0)
			close(file);
		if (next < 0) {
			CHECK(next >= 0);
			break;
		}
		fchmod(dir, mode);
		close(dir);
		dir = next;
	}
	fchmod(dir, mode);
	close(dir);
}

static void
make_wide(const char *path, size_t width)
{
	char name[32];

	CHECK(!mkdir(path, 0755));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < width; i++) {
		snprintf(name, sizeof(name), "entry-%zu", i);
		int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		CHECK(fd >= 0);
		close(fd);
	}
	close(dir);
}

static void
make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CHECK(!bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	close(fd);
}

static char *
pattern(size_t len)
{
	char *data = malloc(len + 1);

	for (size_t i = 0; data && i < len; i++)
		data[i] = (char)(i * 131 ^ i >> 7);
	return data;
}

/* A process that does the same again and again until it is ended. */
static pid_t
start_meddler(void (*meddle)(unsigned round))
{
	pid_t pid = fork_bound();

	if (pid == 0)
		for (unsigned round = 0;; round++)
			meddle(round);
	return pid;
}

static void
end_meddler(pid_t pid)
{
	kill(pid, SIGKILL);
	end_process(pid);
}

static int
exchange(const char *a, const char *b)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

/* --- PUT -------------------------------------------------------------------------------------- */

/* With and without O_TMPFILE, which not every file system has. */
#define BOTH_WAYS for (int way = 0; no_tmpfile = way, way < 2; way++)

ROOM("an upload makes a file, its parents and its mode, whatever the umask, and says it is new")
{
	char existed, path[64];

	BOTH_WAYS {
		process.mask = 077;
		snprintf(path, sizeof(path), "a%d/b//c/./file", way);
		CHECK_INT(put_told(path, "0751", "5", STR("hello"), &existed), 0);
		CHECK_INT(existed, '0');
		CHECK(holds(path, STR("hello")));
		CHECK_INT(mode_at(path), 0751);
		snprintf(path, sizeof(path), "a%d/b/c", way);
		CHECK_INT(count_of(path), 1);
		CHECK_INT(mode_at(path), 0700);
		process.mask = 0;
		snprintf(path, sizeof(path), "empty%d", way);
		CHECK_INT(put_told(path, "", "0", STR(""), &existed), 0);
		CHECK(holds(path, STR("")));
		CHECK_INT(mode_at(path), 0644);
	}
}

ROOM("an upload replaces a file in one step, says so, and who has the old one open keeps it")
{
	char existed, old[8] = "";

	BOTH_WAYS {
		make_text("file", "old");
		CHECK(!chmod("file", 0400));
		int fd = open("file", O_RDONLY | O_CLOEXEC);
		CHECK_INT(put_told("file", "600", "3", STR("new"), &existed), 0);
		CHECK_INT(existed, '1');
		CHECK(holds("file", STR("new")));
		CHECK_INT(mode_at("file"), 0600);
		CHECK_INT(read(fd, old, 8), 3);
		CHECK(!strcmp(old, "old"));
		CHECK_INT(count_of("."), 1);
		close(fd);
	}
}

ROOM("an upload that is cut short or too long leaves the old file, and nothing else")
{
	char existed;

	BOTH_WAYS {
		make_text("file", "old");
		CHECK_INT(put_told("file", "", "6", STR("short"), &existed), ECONNABORTED);
		CHECK_INT(put_told("file", "", "3", STR("too long"), &existed), ECONNABORTED);
		CHECK_INT(put_told("file", "", "0", STR("x"), &existed), ECONNABORTED);
		CHECK_INT(put_told("other", "", "2", STR("x"), &existed), ECONNABORTED);
		CHECK(holds("file", STR("old")));
		CHECK_INT(count_of("."), 1);
	}
}

static int
put_marked(const char *path, const char *mark, struct str content)
{
	struct operation_call call = operation_call(OPERATION_PUT, path, "", "");

	snprintf(call.argument[3], sizeof(call.argument[3]), "%s", mark);
	struct reply reply = run_process(call_operation, &call, content.data, content.len);
	int error = reply.error;
	reply_free(&reply);
	return error;
}

ROOM("an upload of unknown length is whole only with its mark at the end, which is not part of it")
{
	enum { LARGE = 200000 };
	char *large = malloc(LARGE + 3);

	BOTH_WAYS {
		make_text("file", "old");
		CHECK_INT(put_marked("file", "END", STR("")), ECONNABORTED);
		CHECK_INT(put_marked("file", "END", STR("EN")), ECONNABORTED);
		CHECK_INT(put_marked("file", "END", STR("cut")), ECONNABORTED);
		CHECK_INT(put_marked("file", "END", STR("ENDx")), ECONNABORTED);
		CHECK_INT(put_marked("file", "more than sixty-four bytes are no mark that anybody of ours would have sent",
		    STR("x")), EINVAL);
		CHECK(holds("file", STR("old")));
		CHECK_INT(put_marked("file", "END", STR("ENDENDEND")), 0);
		CHECK(holds("file", STR("ENDEND")));
		CHECK_INT(put_marked("file", "END", STR("END")), 0);
		CHECK(holds("file", STR("")));
		for (size_t i = 0; i < LARGE; i++)
			large[i] = (char)(i * 7 + i / 1000);
		memcpy(large + LARGE, "END", 3);
		CHECK_INT(put_marked("file", "END", (struct str){ large, LARGE + 3 }), 0);
		CHECK(holds("file", (struct str){ large, LARGE }));
		CHECK_INT(count_of("."), 1);
	}
	free(large);
}

ROOM("an upload that is killed leaves nothing; without O_TMPFILE, a file that is known by its name")
{
	BOTH_WAYS {
		struct operation_call call = operation_call(OPERATION_PUT, "file", "", "1000000");
		size_t ours;
		int in, out;
		make_text("file", "old");
		pid_t pid = start_process(call_operation, &call, &in, &out);
		CHECK_INT(write(in, "begun", 5), 5);
		pause_ms(100);
		kill(pid, SIGKILL);
		CHECK_INT(end_process(pid), -SIGKILL);
		close(in);
		close(out);
		CHECK(holds("file", STR("old")));
		CHECK_INT(count(".", &ours), 1 + way);
		CHECK_INT(ours, way);
		/* It is in nobody's way. */
		CHECK_INT(put("file", STR("new")), 0);
		CHECK(holds("file", STR("new")));
		CHECK_INT(count_of("."), 1 + way);
	}
}

ROOM("an upload to a directory is refused, also where only the form of the name says so")
{
	BOTH_WAYS {
		static const char *const names[] = { "dir", "dir/", "dir/.", "dir/..", ".", "..",
		    "/", "//", "new/", "link" };
		(void)mkdir("dir", 0755);
		(void)!symlink("dir", "link");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			CHECK_INT(put(names[i], STR("x")), EISDIR);
		CHECK_INT(put("", STR("x")), ENOENT);
		CHECK_INT(count_of("dir"), 0);
		CHECK_INT(count_of("."), 2);
	}
}

ROOM("an upload to where a FIFO, a socket or a device is, is refused at once and leaves it there")
{
	BOTH_WAYS {
		(void)mkfifo("fifo", 0644);
		if (!there("socket"))
			make_socket("socket");
		CHECK_INT(put("fifo", STR("x")), EEXIST);
		CHECK_INT(put("socket", STR("x")), EEXIST);
		CHECK_INT(put("/dev/null", STR("x")), EEXIST);
		CHECK_INT(put("fifo/x", STR("x")), ENOTDIR);
		CHECK_INT(count_of("."), 2);
	}
	int reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK_INT(put("fifo", STR("x")), EEXIST);
	close(reader);
}

ROOM("an upload follows links, relative, absolute, in the middle, and to what is not there yet")
{
	char cwd[256], path[512];

	CHECK(getcwd(cwd, sizeof(cwd)));
	BOTH_WAYS {
		(void)mkdir("real", 0755);
		(void)!symlink("real", "middle");
		(void)!symlink("./real/../real/target", "relative");
		snprintf(path, sizeof(path), "%s/real/absolute-target", cwd);
		(void)!symlink(path, "absolute");
		(void)!symlink("relative", "twice");
		CHECK_INT(put("relative", STR("1")), 0);
		CHECK(holds("real/target", STR("1")));
		CHECK_INT(put("absolute", STR("2")), 0);
		CHECK(holds("real/absolute-target", STR("2")));
		CHECK_INT(put("twice", STR("3")), 0);
		CHECK(holds("real/target", STR("3")));
		CHECK_INT(put("middle/x", STR("4")), 0);
		CHECK(holds("real/x", STR("4")));
		CHECK(!unlink("real/target") && !unlink("real/absolute-target") &&
		    !unlink("real/x"));
		CHECK_INT(count_of("."), 5);
	}
}

ROOM("links in a circle, and links of /proc, end an upload with an error")
{
	CHECK(!symlink("b", "a") && !symlink("a", "b") && !symlink("nowhere", "dangling"));
	CHECK_INT(put("a", STR("x")), ELOOP);
	CHECK_INT(put("a/x", STR("x")), ELOOP);
	CHECK_INT(put("dangling/x", STR("x")), ENOENT);
	CHECK(put("/proc/self/fd/1", STR("x")) != 0);
	CHECK(put("/proc/self/exe", STR("x")) != 0);
	CHECK(put("/proc/self/oom_score_adj", STR("1")) != 0);
	CHECK_INT(count_of("."), 3);
}

ROOM("names of any bytes and any length that the system takes are uploaded; longer ones not")
{
	char name[300], path[5000];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	CHECK_INT(put(name, STR("x")), 0);
	CHECK(holds(name, STR("x")));
	name[255] = 'n';
	name[256] = '\0';
	CHECK_INT(put(name, STR("x")), ENAMETOOLONG);
	CHECK_INT(put("new\nline \xff\xfe\x80 \"'\\", STR("y")), 0);
	CHECK(holds("new\nline \xff\xfe\x80 \"'\\", STR("y")));
	for (size_t i = 0; i + 1 < sizeof(path); i++)
		path[i] = i % 2 ? '/' : 'd';
	path[4095] = '\0';
	path[4094] = 'f';
	CHECK_INT(put(path, STR("z")), 0);
	CHECK(holds(path, STR("z")));
	path[4095] = 'f';
	path[4096] = '\0';
	CHECK_INT(put(path, STR("z")), ENAMETOOLONG);
	CHECK_INT(delete("d"), 0);
	CHECK_INT(count_of("."), 2);
}

ROOM("modes and lengths that are none are refused before anything is made")
{
	static const char *const modes[] = { "8", "0x1", "1000", "07777", "-1", "rwx", " 644",
	    "99999999999999" };
	static const char *const lens[] = { "-1", "x", "1x", " 1", "+1", "99999999999999999999" };
	char existed;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		CHECK_INT(put_told("d/f", modes[i], "", STR("x"), &existed), EINVAL);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		CHECK_INT(put_told("d/f", "", lens[i], STR("x"), &existed), EINVAL);
	CHECK_INT(count_of("."), 0);
}

ROOM("where the user may not write, an upload is refused")
{
	CHECK(!mkdir("closed", 0755) && !mkdir("dark", 0755));
	CHECK(!chmod("closed", 0555) && !chmod("dark", 0));
	BOTH_WAYS {
		CHECK_INT(put("closed/f", STR("x")), EACCES);
		CHECK_INT(put("closed/d/f", STR("x")), EACCES);
		CHECK_INT(put("dark/f", STR("x")), EACCES);
	}
	if (geteuid())
		CHECK(put("/usr/f", STR("x")) != 0);
}

ROOM_OF_1_MB("a full disk ends an upload with ENOSPC, and the old file and the room for it stay")
{
	enum { LEN = 2 << 20 };
	char *data = pattern(LEN);

	BOTH_WAYS {
		make_text("file", "old");
		CHECK_INT(put("file", (struct str){ data, LEN }), ENOSPC);
		CHECK(holds("file", STR("old")));
		CHECK_INT(put("new", (struct str){ data, LEN }), ENOSPC);
		CHECK_INT(count_of("."), 1);
		CHECK_INT(put("file", (struct str){ data, LEN / 4 }), 0);
		CHECK(holds("file", (struct str){ data, LEN / 4 }));
	}
	free(data);
}

ROOM_OF_1_MB("a disk without inodes is ENOSPC to an upload, and trees can still be deleted")
{
	char path[32];
	int made = 0;

	CHECK(!mkdir("d", 0755) && !mkdir("d/e", 0755) && !mkdir("d/e/f", 0755));
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "d/e/f/%d", i);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (fd >= 0)
			close(fd);
		made += fd >= 0;
	}
	CHECK(made > 10 && made < 64);
	BOTH_WAYS
		CHECK_INT(put("file", STR("x")), ENOSPC);
	CHECK_INT(delete("d"), 0);
	CHECK_INT(count_of("."), 0);
}

ROOM("an upload over the limit of a file's size is EFBIG and leaves nothing")
{
	char *data = pattern(100000);

	process.fsize = 50000;
	BOTH_WAYS {
		CHECK_INT(put("file", (struct str){ data, 100000 }), EFBIG);
		CHECK_INT(count_of("."), 0);
	}
	free(data);
}

ROOM("content that comes slowly, in pieces, interrupted by signals, is put whole")
{
	char *data = pattern(200001);
	struct str content = { data, 200001 };
	char existed;

	process.slow = process.interrupted = true;
	CHECK_INT(put_told("a", "", "200001", content, &existed), 0);
	CHECK(holds("a", content));
	process.nonblocking = true;
	CHECK_INT(put_told("b", "", "200001", content, &existed), 0);
	CHECK(holds("b", content));
	free(data);
}

static struct str
true_program(void)
{
	static char data[1 << 20];
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, data, sizeof(data));

	CHECK(n > 0 && n < (ssize_t)sizeof(data));
	close(fd);
	return (struct str){ data, (size_t)n };
}

/* Executes ./program as soon as it is there: its exit code, or 100 and more for what failed. */
static int
exec_when_there(void *argument)
{
	char *argv[] = { argument, NULL };

	for (;;) {
		execv("./program", argv);
		if (errno != ENOENT)
			return errno == ETXTBSY ? 126 : 100;
	}
}

ROOM("a program can be executed as soon as its name is there")
{
	struct str program = true_program();
	char existed, name[] = "program";
	int in, out;

	BOTH_WAYS {
		for (int i = 0; i < 20; i++) {
			pid_t pid = start_process(exec_when_there, name, &in, &out);
			CHECK_INT(put_told("program", "755", "", program, &existed), 0);
			CHECK_INT(end_process(pid), 0);
			close(in);
			close(out);
			if (i % 2)
				unlink("program");
		}
		unlink("program");
	}
}

ROOM("a program that is running is replaced")
{
	char existed, sleep[] = "./sleep", ten[] = "10";
	char *argv[] = { sleep, ten, NULL };
	static char data[1 << 20];
	int fd = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
	struct str program = { data, (size_t)read(fd, data, sizeof(data)) };

	close(fd);
	CHECK_INT(put_told("sleep", "755", "", program, &existed), 0);
	pid_t pid = fork_bound();
	if (pid == 0) {
		execv("./sleep", argv);
		_exit(1);
	}
	pause_ms(50);
	CHECK_INT(put_told("sleep", "755", "", program, &existed), 0);
	CHECK_INT(existed, '1');
	CHECK_INT(waitpid(pid, NULL, WNOHANG), 0);
	end_meddler(pid);
}

ROOM("who reads a file that is replaced again and again sees one of them whole, and always one")
{
	enum { LEN = 100000, ROUNDS = 40 };
	static char data[LEN];
	int status = 0;

	memset(data, 'a', LEN);
	make_file("file", data, LEN);
	pid_t pid = fork_bound();
	if (pid == 0) {
		for (;;) {
			int fd = open("file", O_RDONLY | O_CLOEXEC);
			if (fd < 0 || read(fd, data, LEN) != LEN || read(fd, data, 1) != 0)
				_exit(1);
			for (size_t i = 1; i < LEN; i++)
				if (data[i] != data[1])
					_exit(2);
			close(fd);
		}
	}
	for (int i = 0; i < ROUNDS; i++) {
		memset(data, 'a' + i % 26, LEN);
		no_tmpfile = i % 2;
		CHECK_INT(put("file", (struct str){ data, LEN }), 0);
	}
	CHECK_INT(waitpid(pid, &status, WNOHANG), 0);
	end_meddler(pid);
	CHECK_INT(count_of("."), 1);
}

static void
swap_target_and_parent(unsigned round)
{
	(void)round;
	exchange("a/name", "a/fifo");
	exchange("a/name", "a/dir");
	exchange("a", "b");
	exchange("a/name", "a/link");
}

ROOM("an upload to names that change all the time ends, in one of the places or with an error")
{
	int done = 0;

	CHECK(!mkdir("a", 0755) && !mkdir("b", 0755));
	CHECK(!mkdir("a/dir", 0755) && !mkdir("b/dir", 0755));
	CHECK(!mkfifo("a/fifo", 0644) && !mkfifo("b/fifo", 0644));
	CHECK(!symlink("../b/name", "a/link") && !symlink("../a/name", "b/link"));
	make_text("a/name", "old");
	make_text("b/name", "old");
	pid_t pid = start_meddler(swap_target_and_parent);
	for (int i = 0; i < 150; i++) {
		no_tmpfile = i % 2;
		int error = put("a/name", STR("new"));
		CHECK(!error || error == EISDIR || error == EEXIST || error == ELOOP ||
		    error == ENOENT);
		done += !error;
	}
	end_meddler(pid);
	CHECK(done > 0);
	for (int i = 0; i < 2; i++) {
		size_t ours;
		count(i ? "a" : "b", &ours);
		CHECK_INT(ours, 0);
	}
}

/* --- GET -------------------------------------------------------------------------------------- */

ROOM("a download is head and bytes, whole or in part; a part that is not there is empty")
{
	static const struct {
		const char *offset, *len;
		size_t from, n;
	} parts[] = {
		{ "", "", 0, 100000 }, { "0", "100000", 0, 100000 }, { "0", "0", 0, 0 },
		{ "1", "1", 1, 1 },
		{ "99999", "", 99999, 1 }, { "99999", "5", 99999, 1 }, { "100000", "", 0, 0 },
		{ "100001", "7", 0, 0 }, { "9223372036854775807", "", 0, 0 },
		{ "40000", "40000", 40000, 40000 }, { "5", "9223372036854775807", 5, 99995 },
	};
	char *data = pattern(100000);
	struct files_head head;
	struct timespec times[2] = { { 1, 0 }, { 1700000000, 123456789 } };

	make_file("file", data, 100000);
	CHECK(!chmod("file", 0640) && !utimensat(AT_FDCWD, "file", times, 0));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct reply reply = get_range("file", parts[i].offset, parts[i].len, &head);
		CHECK_INT(reply.error, 0);
		CHECK_INT(reply.len, parts[i].n);
		CHECK(!memcmp(reply.out, data + parts[i].from, parts[i].n));
		CHECK_INT(head.kind, FILES_REGULAR);
		CHECK_INT(head.size, 100000);
		CHECK_INT(head.mode, 0640);
		CHECK_INT(head.modified_ms, 1700000000123);
		reply_free(&reply);
	}
	struct reply reply = get_range("file", "x", "", &head);
	CHECK_INT(reply.error, EINVAL);
	CHECK_INT(reply.len, 0);
	reply_free(&reply);
	make_text("empty", "");
	reply = get_range("empty", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK_INT(reply.len, 0);
	CHECK_INT(head.size, 0);
	reply_free(&reply);
	free(data);
}

ROOM("a download to a slow reader, interrupted by signals, is whole")
{
	char *data = pattern(300000);
	struct files_head head;

	make_file("file", data, 300000);
	process.slow = process.interrupted = true;
	for (int i = 0; i < 2; i++) {
		process.nonblocking = i;
		struct reply reply = get_range("file", "", "", &head);
		CHECK_INT(reply.error, 0);
		CHECK_INT(reply.len, 300000);
		CHECK(!memcmp(reply.out, data, 300000));
		reply_free(&reply);
	}
	free(data);
}

ROOM("a download follows links; what leads nowhere, or in a circle, is an error without a head")
{
	struct files_head head;

	CHECK(!mkdir("dir", 0755) && !symlink("dir", "middle") && !symlink("middle/file", "link") &&
	    !symlink("gone", "dangling") && !symlink("circle", "circle"));
	make_text("dir/file", "content");
	struct reply reply = get_range("link", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK(reply.len == 7 && !memcmp(reply.out, "content", 7));
	reply_free(&reply);
	CHECK_INT(get_error("dangling"), ENOENT);
	CHECK_INT(get_error("circle"), ELOOP);
	CHECK_INT(get_error("none"), ENOENT);
	CHECK_INT(get_error(""), ENOENT);
	CHECK_INT(get_error("dir/file/x"), ENOTDIR);
	CHECK_INT(get_error("dir/file/"), ENOTDIR);
	CHECK(!chmod("dir/file", 0));
	CHECK_INT(get_error("link"), EACCES);
}

ROOM("a FIFO, a socket and a device have a head, no content, and are not opened")
{
	static const char *const names[] = { "fifo", "socket", "/dev/null", "/dev/zero", "link",
	    "/proc/self/fd/1" };
	struct files_head head;

	CHECK(!mkfifo("fifo", 0600) && !symlink("fifo", "link"));
	make_socket("socket");
	pid_t writer = fork_bound();
	if (writer == 0)
		_exit(open("fifo", O_WRONLY | O_CLOEXEC) < 0);
	pause_ms(20);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct reply reply = get_range(names[i], "", "", &head);
		CHECK_INT(reply.error, 0);
		CHECK_INT(reply.len, 0);
		CHECK_INT(head.kind, FILES_OTHER);
		CHECK_INT(head.size, 0);
		reply_free(&reply);
	}
	pause_ms(20);
	CHECK_INT(waitpid(writer, NULL, WNOHANG), 0);	/* its FIFO has had no reader */
	end_meddler(writer);
}

static void
swap_file_and_fifo(unsigned round)
{
	(void)round;
	exchange("file", "fifo");
	exchange("file", "socket");
}

ROOM("a file that is a FIFO or a socket at every other moment never hangs a download")
{
	struct files_head head;
	int files = 0, others = 0;

	CHECK(!mkfifo("fifo", 0600));
	make_socket("socket");
	make_text("file", "content");
	pid_t pid = start_meddler(swap_file_and_fifo);
	for (int i = 0; i < 300; i++) {
		struct reply reply = get_range("file", "", "", &head);
		CHECK_INT(reply.error, 0);
		CHECK(head.kind == FILES_OTHER ? !reply.len : reply.len == 7);
		files += head.kind == FILES_REGULAR;
		others += head.kind == FILES_OTHER;
		reply_free(&reply);
	}
	end_meddler(pid);
	CHECK(files + others == 300);
	CHECK(others > 0);
}

static void
swap_file(void)
{
	CHECK(!exchange("file", "fifo"));
}

ROOM("a file that becomes a FIFO just before it is opened has a head and no content")
{
	struct files_head head;

	alarm(10);			/* what waits for a writer waits for ever */
	CHECK(!mkfifo("fifo", 0600));
	make_text("file", "content");
	before_content = swap_file;
	struct reply reply = get_range("file", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK_INT(head.kind, FILES_OTHER);
	CHECK_INT(head.size, 0);
	CHECK_INT(reply.len, 0);
	reply_free(&reply);
}

static void
truncate_file(void)
{
	CHECK(!truncate("file", 40000));
}

static void
extend_file(void)
{
	CHECK(!truncate("file", 500000));
}

ROOM("a file that shrinks while it is sent is an error; one that grows ends where it was")
{
	char *data = pattern(200000);
	struct files_head head;

	make_file("file", data, 200000);
	before_pread = truncate_file;
	struct reply reply = get_range("file", "", "", &head);
	CHECK_INT(reply.error, ESTALE);
	CHECK_INT(head.size, 200000);
	CHECK_INT(reply.len, 40000);
	reply_free(&reply);
	make_file("file", data, 200000);
	before_pread = extend_file;
	reply = get_range("file", "1000", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK_INT(head.size, 200000);
	CHECK_INT(reply.len, 199000);
	CHECK(!memcmp(reply.out, data + 1000, 199000));
	reply_free(&reply);
	free(data);
}

ROOM("someone's lease on a file makes a download fail at once, not wait")
{
	make_text("file", "content");
	int fd = open("file", O_RDWR | O_CLOEXEC);
	if (fcntl(fd, F_SETLEASE, F_WRLCK))
		SKIP("this file system has no leases");
	(void)signal(SIGIO, SIG_IGN);
	time_t start = time(NULL);
	CHECK_INT(get_error("file"), EBUSY);
	CHECK(time(NULL) - start < 10);
	close(fd);
}

ROOM("times before 1970 and after the year 9999 are told as the nearest there is")
{
	struct timespec times[2] = { { 0, 0 }, { -5, 999999999 } };
	struct stat stat = { .st_mtim = { INT64_MAX, 0 } };
	struct files_head head;

	make_text("file", "");
	CHECK(!utimensat(AT_FDCWD, "file", times, 0));
	struct reply reply = get_range("file", "", "", &head);
	CHECK_INT(head.modified_ms, 0);
	reply_free(&reply);
	CHECK_INT(modified_ms(&stat), 253402300799999);
	stat.st_mtim.tv_sec = INT64_MIN;
	CHECK_INT(modified_ms(&stat), 0);
	stat.st_mtim.tv_sec = 253402300800;
	CHECK_INT(modified_ms(&stat), 253402300799999);
	stat.st_mtim = (struct timespec){ 253402300799, 999999999 };
	CHECK_INT(modified_ms(&stat), 253402300799999);
	stat.st_mtim = (struct timespec){ 1, 999999 };
	CHECK_INT(modified_ms(&stat), 1000);
}

ROOM("a reader that goes away ends a download")
{
	struct operation_call call = operation_call(OPERATION_GET, "file", "", "");
	char *data = pattern(1 << 20), some[100];
	int in, out;

	make_file("file", data, 1 << 20);
	pid_t pid = start_process(call_operation, &call, &in, &out);
	CHECK(read(out, some, sizeof(some)) > 0);
	close(out);
	CHECK_INT(end_process(pid), -SIGPIPE);
	close(in);
	free(data);
}

ROOM("a HEAD is the head alone")
{
	struct files_head head;
	struct stat stat;

	make_text("file", "content");
	CHECK(!mkfifo("fifo", 0600) && !mkdir("dir", 01777) && !chmod("dir", 01777) &&
	    !symlink("file", "link"));
	CHECK(!lstat("file", &stat));
	static const struct {
		const char *path;
		uint32_t kind, mode, size;
	} wanted[] = {
		{ "file", FILES_REGULAR, 0644, 7 }, { "link", FILES_REGULAR, 0644, 7 },
		{ "dir", FILES_DIRECTORY, 01777, 0 }, { "fifo", FILES_OTHER, 0600, 0 },
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct reply reply = operate(OPERATION_STAT, wanted[i].path, "", "", "", 0);
		CHECK_INT(reply.error, 0);
		CHECK_INT(reply.len, sizeof(head));
		memcpy(&head, reply.out, sizeof(head));
		CHECK_INT(head.kind, wanted[i].kind);
		CHECK_INT(head.mode, wanted[i].mode);
		CHECK_INT(head.size, wanted[i].size);
		if (i == 0)
			CHECK_INT(head.modified_ms, modified_ms(&stat));
		reply_free(&reply);
	}
	struct reply reply = operate(OPERATION_STAT, "none", "", "", "", 0);
	CHECK_INT(reply.error, ENOENT);
	CHECK_INT(reply.len, 0);
	reply_free(&reply);
}

/* Takes the next entry off a listing: false at its end. */
static bool
next_entry(const struct reply *reply, size_t *at, struct files_entry *entry, char name[256])
{
	if (reply->len - *at < sizeof(*entry))
		return false;
	memcpy(entry, reply->out + *at, sizeof(*entry));
	*at += sizeof(*entry);
	CHECK(entry->name_len < 256 && entry->name_len <= reply->len - *at);
	memcpy(name, reply->out + *at, entry->name_len);
	name[entry->name_len] = '\0';
	*at += entry->name_len;
	return true;
}

ROOM("a listing tells the name, type, size and mode of every entry, and follows no link")
{
	static const struct {
		const char *name;
		char type;
		uint32_t mode, size;
	} wanted[] = {
		{ "file", 'f', 0640, 7 }, { "new\nline", 'f', 0644, 0 },
		{ "\xff\x80\xc0", 'f', 0644, 0 },
		{ "dir", 'd', 0711, 0 }, { "link", 'l', 0777, 4 }, { "dangling", 'l', 0777, 6 },
		{ "fifo", 'p', 0600, 0 }, { "socket", 's', 0755, 0 }, { "...", 'f', 0644, 0 },
	};
	enum { LEN = sizeof(wanted) / sizeof(wanted[0]) };
	struct files_head head;
	struct files_entry entry;
	char name[256];
	size_t at = 0, n = 0;

	CHECK(!mkdir("list", 0755) && !chdir("list"));
	make_text("file", "content");
	make_text("new\nline", "");
	make_text("\xff\x80\xc0", "");
	make_text("...", "");
	make_socket("socket");
	CHECK(!chmod("file", 0640) && !mkdir("dir", 0711) && !symlink("file", "link") &&
	    !symlink("../xyz", "dangling") && !mkfifo("fifo", 0600));
	CHECK(!chdir(".."));
	struct reply reply = get_range("list", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK_INT(head.kind, FILES_DIRECTORY);
	for (; next_entry(&reply, &at, &entry, name); n++) {
		size_t i = 0;
		while (i < LEN && strcmp(wanted[i].name, name))
			i++;
		CHECK(i < LEN);
		if (i == LEN)
			continue;
		CHECK_INT(entry.type, wanted[i].type);
		CHECK_INT(entry.mode, wanted[i].mode);
		CHECK_INT(entry.size, wanted[i].size);
		CHECK(entry.modified_ms / 1000 + 100 > (uint64_t)time(NULL));
	}
	CHECK_INT(at, reply.len);
	CHECK_INT(n, LEN);
	reply_free(&reply);
	reply = get_range("list/dir", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK_INT(reply.len, 0);
	reply_free(&reply);
}

ROOM("a directory that may be read but not entered is listed with types; a closed one is EACCES")
{
	struct files_head head;
	struct files_entry entry;
	char name[256];
	size_t at = 0;

	CHECK(!mkdir("dir", 0755) && !mkdir("dir/sub", 0755) && !chmod("dir", 0400));
	struct reply reply = get_range("dir", "", "", &head);
	CHECK_INT(reply.error, 0);
	CHECK(next_entry(&reply, &at, &entry, name));
	CHECK(!strcmp(name, "sub"));
	CHECK_INT(entry.type, 'd');
	CHECK_INT(entry.mode, 0);
	reply_free(&reply);
	CHECK(!chmod("dir", 0300));
	CHECK_INT(get_error("dir"), EACCES);
}

ROOM_IN_MEMORY("a directory of 10^5 entries is listed whole to a slow reader's pace, and deleted")
{
	struct files_head head;
	struct files_entry entry;
	char name[256];
	size_t at = 0, n = 0;

	make_wide("wide", WIDE);
	process.nofile = 8;
	struct reply reply = get_range("wide", "", "", &head);
	CHECK_INT(reply.error, 0);
	while (next_entry(&reply, &at, &entry, name))
		n += entry.type == 'f' && !strncmp(name, "entry-", 6);
	CHECK_INT(n, WIDE);
	CHECK_INT(at, reply.len);
	reply_free(&reply);
	CHECK_INT(delete("wide"), 0);
	CHECK(!there("wide"));
}

/* --- DELETE ----------------------------------------------------------------------------------- */

ROOM("files, FIFOs, sockets, empty directories and links are deleted, and no link's target")
{
	static const char *const names[] = { "file", "fifo", "socket", "empty", "link", "dirlink",
	    "dangling", "dark", "slashed/" };

	CHECK(!mkfifo("fifo", 0600) && !mkdir("empty", 0755) && !mkdir("keep", 0755) &&
	    !symlink("keep/file", "link") && !symlink("keep", "dirlink") &&
	    !symlink("none", "dangling") && !mkdir("dark", 0) && !mkdir("slashed", 0755));
	make_text("file", "");
	make_text("slashed/file", "");
	make_text("keep/file", "kept");
	make_socket("socket");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK_INT(delete(names[i]), 0);
		CHECK(!there(names[i]));
		CHECK_INT(delete(names[i]), ENOENT);
	}
	CHECK(holds("keep/file", STR("kept")));
	CHECK_INT(count_of("."), 1);
}

ROOM("the root, a dot, nothing, and a file or a link that is named as a directory are not deleted")
{
	CHECK(!mkdir("dir", 0755) && !symlink("dir", "link"));
	make_text("dir/file", "kept");
	CHECK_INT(delete(""), EINVAL);
	CHECK_INT(delete("/"), EBUSY);
	CHECK_INT(delete("///"), EBUSY);
	CHECK_INT(delete("."), EINVAL);
	CHECK_INT(delete(".."), EINVAL);
	CHECK_INT(delete("dir/."), EINVAL);
	CHECK_INT(delete("dir/.."), EINVAL);
	CHECK_INT(delete("dir/../"), EINVAL);
	CHECK_INT(delete("/proc/self/.."), EINVAL);
	CHECK_INT(delete("dir/file/"), ENOTDIR);
	CHECK_INT(delete("link/"), ENOTDIR);
	CHECK_INT(delete("dir/file/x"), ENOTDIR);
	CHECK_INT(delete("none/x"), ENOENT);
	CHECK(delete("/proc/self/root") != 0);
	CHECK(holds("dir/file", STR("kept")));
	CHECK(there("link"));
}

ROOM("a tree is deleted with all that it holds; links in it are not followed")
{
	CHECK(!mkdir("keep", 0755) && !mkdir("tree", 0755) && !mkdir("tree/a", 0755) &&
	    !mkdir("tree/a/b", 0755) && !mkdir("tree/a/b/c", 0755) && !mkdir("tree/x", 0755));
	make_text("keep/file", "kept");
	make_text("tree/a/b/c/file", "");
	make_text("tree/a/b/new\nline\xff", "");
	make_text("tree/.opensandbox-delete-0000000000000000", "");
	CHECK(!symlink("../keep", "tree/up") && !symlink("../../../keep", "tree/a/b/up") &&
	    !symlink("/", "tree/a/root") && !link("keep/file", "tree/a/hard") &&
	    !mkfifo("tree/a/b/c/fifo", 0) && !symlink("..", "tree/x/parent"));
	make_socket("tree/x/socket");
	CHECK_INT(delete("tree"), 0);
	CHECK(!there("tree"));
	CHECK(holds("keep/file", STR("kept")));
	CHECK_INT(mode_at("keep/file"), 0644);
	CHECK_INT(count_of("."), 1);
}

ROOM("directories of mode 000 at every level are deleted")
{
	make_deep("tree", 200, 0, true);
	make_deep("read-only", 50, 0555, true);
	CHECK_INT(delete("tree"), 0);
	CHECK(!there("tree"));
	CHECK_INT(delete("read-only"), 0);
	CHECK(!there("read-only"));
}

ROOM_IN_MEMORY("a tree 10^5 deep is deleted with eight descriptors")
{
	struct timespec start, end;

	make_deep("tree", DEEP, 0755, true);
	process.nofile = 8;
	clock_gettime(CLOCK_MONOTONIC, &start);
	CHECK_INT(delete("tree"), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("# 10^5 deep: %ld ms\n", (end.tv_sec - start.tv_sec) * 1000 +
	    (end.tv_nsec - start.tv_nsec) / 1000000);
	CHECK(!there("tree"));
	CHECK_INT(count_of("."), 0);
}

ROOM("a tree 3000 deep is deleted on the disk, too, also from its middle")
{
	make_deep("tree", 3000, 0755, true);
	CHECK_INT(delete("tree/d/d/d"), 0);
	CHECK(there("tree/d/d/f"));
	CHECK(!there("tree/d/d/d"));
	CHECK_INT(count_of("tree/d/d"), 1);
	CHECK_INT(delete("tree"), 0);
	CHECK(!there("tree"));
}

ROOM_IN_MEMORY("a tree that is wide at each of its levels is deleted in linear time")
{
	char path[64];

	CHECK(!mkdir("tree", 0755));
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "tree/%d", i);
		CHECK(!mkdir(path, 0755));
		for (int j = 0; j < 100; j++) {
			snprintf(path, sizeof(path), "tree/%d/%d", i, j);
			make_deep(path, 2, 0755, true);
		}
	}
	CHECK_INT(delete("tree"), 0);
	CHECK_INT(count_of("."), 0);
}

ROOM("what the user may not delete is an error, and ends it")
{
	CHECK(!mkdir("closed", 0755) && !mkdir("closed/tree", 0755));
	make_text("closed/file", "");
	CHECK(!chmod("closed", 0555));
	CHECK_INT(delete("closed/file"), EACCES);
	CHECK_INT(delete("closed/tree"), EACCES);
	CHECK(there("closed/tree") && there("closed/file"));
	CHECK(delete("/usr") != 0);
	CHECK(there("/usr/bin"));
	CHECK(delete("/proc/self/status") != 0);
}

/* Has to be root: outside of rooms. */
static void
mount_in_tree(void)
{
	CHECK(!mkdir("tree", 0755) && !mkdir("tree/a", 0755) && !mkdir("tree/a/mount", 0755));
	CHECK(!mount("tmpfs", "tree/a/mount", "tmpfs", 0, "mode=777"));
	make_text("tree/a/mount/file", "kept");
	if (chown("tree", USER, USER) || chown("tree/a", USER, USER) ||
	    chown("tree/a/mount", USER, USER) || setresgid(USER, USER, USER) ||
	    setresuid(USER, USER, USER))
		_exit(9);
	CHECK_INT(delete("tree"), EBUSY);
	CHECK(there("tree/a/mount/file"));
	CHECK_INT(delete("tree/a/mount"), EBUSY);
	CHECK(holds("tree/a/mount/file", STR("kept")));
}

TEST("a mount point in a tree is EBUSY, and what is mounted there stays")
{
	char path[] = "/tmp/files-XXXXXX";
	int status = -1;

	if (geteuid())
		SKIP("only root can mount");
	CHECK(mkdtemp(path) != NULL);
	pid_t pid = fork_bound();
	if (pid == 0) {
		if (!mount_memory(path, "mode=777") || chdir(path))
			_exit(77);
		alarm(SECONDS_MAX);
		mount_in_tree();
		fflush(stdout);
		_exit(test_failures != 0);
	}
	waitpid(pid, &status, 0);
	rmdir(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("a file system of its own cannot be mounted here");
	CHECK_INT(status, 0);
}

static void
swap_directory_and_link(unsigned round)
{
	char sub[32], link[32];

	snprintf(sub, sizeof(sub), "tree/%u", round % 8);
	snprintf(link, sizeof(link), "links/%u", round % 8);
	exchange(sub, link);
	exchange("tree/3/inner", "links/in");
	exchange("tree", "toplink");
}

ROOM("directories swapped for links while a tree is deleted lead to nothing else being deleted")
{
	char path[64];
	int done = 0;

	CHECK(!mkdir("keep", 0755) && !mkdir("keep/sub", 0755) && !mkdir("links", 0755) &&
	    !symlink("keep", "toplink") && !symlink("../../keep", "links/in"));
	make_text("keep/file", "kept");
	make_text("keep/sub/file", "kept");
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "links/%d", i);
		CHECK(!symlink("../keep", path));
	}
	pid_t pid = start_meddler(swap_directory_and_link);
	for (int round = 0; round < 60; round++) {
		(void)!symlink("keep", "toplink");
		(void)mkdir("tree", 0755);
		for (int i = 0; i < 8; i++) {
			snprintf(path, sizeof(path), "tree/%d", i);
			(void)mkdir(path, 0755);
			snprintf(path, sizeof(path), "tree/%d/inner", i);
			(void)mkdir(path, 0755);
			snprintf(path, sizeof(path), "tree/%d/inner/most", i);
			(void)mkdir(path, 0755);
		}
		int error = delete("tree");
		CHECK(!error || error == ENOENT || error == ENOTEMPTY);
		done += !error;
	}
	end_meddler(pid);
	CHECK(done > 0);
	/* Where "tree" was the link to it, directories were made in "keep": that was this test. */
	CHECK(holds("keep/file", STR("kept")));
	CHECK(holds("keep/sub/file", STR("kept")));
}

static void
swap_inner(void)
{
	(void)exchange("tree/inner", "link");
	before_doomed = NULL;
}

static void
wait_for_inner(void)
{
	before_doomed = swap_inner;	/* the first to be opened is the tree itself */
}

static void
swap_tree(void)
{
	(void)exchange("tree", "link");
	before_doomed = NULL;
}

ROOM("a directory that becomes a link just before it is opened is not entered")
{
	CHECK(!mkdir("keep", 0755) && !mkdir("tree", 0755) && !mkdir("tree/inner", 0755));
	char cwd[256], keep[300];

	CHECK(getcwd(cwd, sizeof(cwd)));
	snprintf(keep, sizeof(keep), "%s/keep", cwd);
	CHECK(!symlink(keep, "link"));
	make_text("keep/file", "kept");
	make_text("tree/inner/file", "");
	before_doomed = wait_for_inner;
	CHECK_INT(delete("tree"), 0);
	CHECK(!there("tree"));
	CHECK(there("link/file"));	/* what was tree/inner, outside now */
	CHECK(holds("keep/file", STR("kept")));
	CHECK_INT(delete("link"), 0);
	CHECK(!symlink(keep, "link") && !mkdir("tree", 0755));
	make_text("tree/file", "");
	before_doomed = swap_tree;
	CHECK_INT(delete("tree"), 0);
	CHECK(!there("tree") && there("link/file"));
	CHECK(holds("keep/file", STR("kept")));
}

ROOM("a directory is made passable by its own name, never by a link")
{
	struct stat stat;

	CHECK(!mkdir("shut", 0500) && !mkdir("target", 0500) && !symlink("target", "link"));
	CHECK(make_passable(AT_FDCWD, "shut"));
	CHECK(!lstat("shut", &stat) && (stat.st_mode & 07777) == 0700);
	(void)make_passable(AT_FDCWD, "link");
	CHECK(!lstat("target", &stat) && (stat.st_mode & 07777) == 0500);
}

static void
move_out_and_in(unsigned round)
{
	char inner[32];

	snprintf(inner, sizeof(inner), "tree/d%s", round % 2 ? "/d/d" : "/d");
	(void)rename(inner, "outer/moved");
	(void)rename("tree", "outer/tree");
	(void)rename("outer/tree", "tree");
	(void)rename("outer/moved", inner);
}

ROOM("directories moved out of a tree while it is deleted do not take the deletion with them")
{
	char path[64];

	CHECK(!mkdir("outer", 0755));
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "outer/keep-%d", i);
		CHECK(!mkdir(path, 0755));
		snprintf(path, sizeof(path), "outer/keep-%d/file", i);
		make_text(path, "kept");
	}
	pid_t pid = start_meddler(move_out_and_in);
	for (int round = 0; round < 40; round++) {
		if (!there("tree") && !there("outer/tree")) {
			make_deep("new", 50, 0755, true);
			if (rename("new", "tree"))	/* it was on its way back */
				CHECK_INT(delete("new"), 0);
		}
		int error = delete("tree");
		CHECK(!error || error == ENOENT || error == ENOTEMPTY || error == EINVAL);
		if (test_failures)
			break;
	}
	end_meddler(pid);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "outer/keep-%d/file", i);
		CHECK(holds(path, STR("kept")));
	}
}

static void
keep_filling(unsigned round)
{
	char path[64];

	snprintf(path, sizeof(path), "tree/%u", round % 50);
	(void)mkdir("tree", 0755);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "tree/%u/%u", round % 50, round);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

ROOM_IN_MEMORY("a tree that others keep filling is deleted, or the deletion gives up")
{
	pid_t pid = start_meddler(keep_filling);

	pause_ms(100);
	for (int round = 0; round < 20; round++) {
		int error = delete("tree");
		CHECK(!error || error == ENOENT || error == ENOTEMPTY);
	}
	end_meddler(pid);
	CHECK(!there("tree") || delete("tree") == 0);
	CHECK(!there("tree"));
}

ROOM("a deletion has an end, however many names there are")
{
	struct removal removal = { .visits = VISITS_MAX - 60 };

	make_wide("wide", 50);
	make_deep("deep", 100, 0755, true);
	removal.top = open("wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(empty_directory(&removal), 0);
	CHECK_INT(count_of("wide"), 0);
	close(removal.top);
	removal.top = open("deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(empty_directory(&removal), -ENOTEMPTY);
	CHECK(count_of("deep") > 0);
	close(removal.top);
	make_wide("wide/below", 50);
	removal = (struct removal){ .visits = VISITS_MAX - 20 };
	removal.top = open("wide", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(empty_directory(&removal), -ENOTEMPTY);
	CHECK(count_of("wide/below") > 20);
	close(removal.top);
}

/* --- CHECK_CWD, and what is no operation ------------------------------------------------------ */

ROOM("a working directory is one that can be entered")
{
	static const struct {
		const char *path;
		int error;
	} wanted[] = {
		{ "dir", 0 }, { "link", 0 }, { "/", 0 }, { "dir/../dir/", 0 }, { "file", ENOTDIR },
		{ "none", ENOENT }, { "", ENOENT }, { "dark", EACCES }, { "dangling", ENOENT },
		{ "circle", ELOOP }, { "fifo", ENOTDIR },
	};

	CHECK(!mkdir("dir", 0755) && !mkdir("dark", 0) && !symlink("dir", "link") &&
	    !symlink("none", "dangling") && !symlink("circle", "circle") && !mkfifo("fifo", 0600));
	make_text("file", "");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct reply reply = operate(OPERATION_CHECK_CWD, wanted[i].path, "", "", "", 0);
		CHECK_INT(reply.error, wanted[i].error);
		CHECK_INT(reply.len, 0);
		reply_free(&reply);
	}
}

TEST("what is no file operation, or has no path, is an error")
{
	struct parcel parcel = { .head = { .argc = 0 } };

	CHECK_INT(files_operate(OPERATION_COMMAND, &parcel), EINVAL);
	CHECK_INT(files_operate(OPERATIONS_LEN, &parcel), EINVAL);
	CHECK_INT(files_operate(UINT32_MAX, &parcel), EINVAL);
	CHECK_INT(files_operate(OPERATION_PUT, &parcel), ENOENT);
	CHECK_INT(files_operate(OPERATION_GET, &parcel), ENOENT);
	CHECK_INT(files_operate(OPERATION_STAT, &parcel), ENOENT);
	CHECK_INT(files_operate(OPERATION_DELETE, &parcel), EINVAL);
	CHECK_INT(files_operate(OPERATION_CHECK_CWD, &parcel), ENOENT);
}

/* --- copying in ------------------------------------------------------------------------------- */

struct copy_in {
	const char *path;
	uint32_t mode;
	struct str content;
};

/* As the front packs it and pid 1 opens it. */
static void
pack(struct parcel *parcel, const char *cwd, const struct copy_in *files, size_t files_len,
    const char *const *copies, size_t copies_len)
{
	struct buf buf;

	buf_init(&buf, 64 << 20);
	parcel_begin(&buf);
	parcel_arg(&buf, STR("true"));
	parcel_cwd(&buf, str_of(cwd));
	for (size_t i = 0; i < files_len; i++)
		parcel_file(&buf, str_of(files[i].path), files[i].mode, files[i].content);
	for (size_t i = 0; i < copies_len; i++)
		parcel_copy(&buf, str_of(copies[i]));
	CHECK(!buf.failed);
	int fd = parcel_seal("test", buf_str(&buf));
	CHECK(fd >= 0);
	CHECK_INT(parcel_open(parcel, fd), 0);
	close(fd);
	buf_free(&buf);
}

/* In a process that shares this one's memory, with as little stack as pid 1 gives; then `program`
 * is executed, where there is one. */
struct vfork_call {
	const struct parcel *parcel;
	const char *path;	/* that failed */
	const char *program;
	int error, descriptors;
};

static int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int
write_in_shared_memory(void *argument)
{
	struct vfork_call *call = argument;
	char *argv[] = { NULL, NULL };
	char name[] = "program";

	int before = open_descriptors();
	call->error = files_write(call->parcel, &call->path);
	call->descriptors = open_descriptors() - before;
	argv[0] = name;
	if (call->program) {
		execv(call->program, argv);
		return errno == ETXTBSY ? 126 : 127;
	}
	return 0;
}

static int
write_files(const char *cwd, const struct copy_in *files, size_t len, const char *program,
    const char **path)
{
	static char stack[(128 << 10) + 4096] __attribute__((aligned(4096)));
	struct parcel parcel;
	pack(&parcel, cwd, files, len, NULL, 0);
	struct vfork_call call = { .parcel = &parcel, .program = program };

	/* What lies below the stack must stay as it is. */
	memset(stack, 0x5a, 4096);
	pid_t pid = clone(write_in_shared_memory, stack + sizeof(stack),
	    CLONE_VM | CLONE_VFORK | SIGCHLD, &call);
	CHECK_INT(end_process(pid), 0);
	CHECK_INT(call.descriptors, 0);
	size_t untouched = 0;
	while (untouched < 4096 && stack[untouched] == 0x5a)
		untouched++;
	CHECK_INT(untouched, 4096);
	if (path)
		*path = call.path;
	return call.error;
}

ROOM("files are written before a run, relative or absolute, in order, with parents and modes")
{
	char cwd[256], absolute[300];
	char *data = pattern(300000);

	CHECK(getcwd(cwd, sizeof(cwd) - 8));
	snprintf(absolute, sizeof(absolute), "%s/new/x/abs", cwd);
	snprintf(cwd + strlen(cwd), 8, "/new");
	BOTH_WAYS {
		const struct copy_in files[] = {
			{ absolute, 0600, STR("absolute") }, { "plain", 0644, STR("one") },
			{ "sub/dir/script", 0755, STR("#!/bin/sh\n") },
			{ "plain", 0444, STR("two") },
			{ "../outside", 0644, STR("") }, { "big", 0666, { data, 300000 } },
			{ "nul", 0777, STR("a\0b") }, { "\xff\n", 0644, STR("odd") },
		};
		process.mask = 077;
		CHECK_INT(write_files(cwd, files, sizeof(files) / sizeof(files[0]), NULL, NULL), 0);
		CHECK(holds("new/x/abs", STR("absolute")));
		CHECK(holds("new/plain", STR("two")));
		CHECK_INT(mode_at("new/plain"), 0444);
		CHECK(holds("new/sub/dir/script", STR("#!/bin/sh\n")));
		CHECK_INT(mode_at("new/sub/dir/script"), 0755);
		CHECK_INT(mode_at("new/sub/dir"), 0755);
		CHECK(holds("outside", STR("")));
		CHECK(holds("new/big", (struct str){ data, 300000 }));
		CHECK_INT(mode_at("new/big"), 0666);
		CHECK(holds("new/nul", STR("a\0b")));
		CHECK(holds("new/\xff\n", STR("odd")));
		CHECK_INT(count_of("new"), 6);
	}
	free(data);
}

ROOM("a file that cannot be written before a run is named with the reason, and nothing hangs")
{
	static const struct {
		const char *path;
		int error;
	} wanted[] = {
		{ "dir", EISDIR }, { "fifo", EEXIST }, { "socket", EEXIST },
		{ "/dev/null", EEXIST }, { "file/x", ENOTDIR }, { "closed/x", EACCES },
		{ "circle", ELOOP }, { "x/", EISDIR },
		{ "", ENOENT }, { "/", EISDIR },
	};
	const char *path;
	char cwd[256];

	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK(!mkdir("dir", 0755) && !mkfifo("fifo", 0644) && !mkdir("closed", 0555) &&
	    !symlink("circle", "circle"));
	make_socket("socket");
	make_text("file", "old");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct copy_in files[] = {
			{ "first", 0644, STR("1") }, { wanted[i].path, 0644, STR("x") },
			{ "last", 0644, STR("2") },
		};
		CHECK_INT(write_files(cwd, files, 3, NULL, &path), wanted[i].error);
		CHECK(!strcmp(path, wanted[i].path));
		CHECK(there("first") && !there("last"));
	}
	const struct copy_in relative = { "x", 0644, STR("") };
	CHECK_INT(write_files("/nonexistent", &relative, 1, NULL, &path), ENOENT);
	CHECK(!strcmp(path, "x"));
	CHECK_INT(write_files(cwd, NULL, 0, NULL, NULL), 0);
}

ROOM("a program that is written before a run is executed at once, also in place of a running one")
{
	const struct copy_in program = { "program", 0755, true_program() };
	char cwd[256];

	CHECK(getcwd(cwd, sizeof(cwd)));
	BOTH_WAYS
		for (int i = 0; i < 20; i++)
			CHECK_INT(write_files(cwd, &program, 1, "./program", NULL), 0);
}

ROOM_OF_1_MB("a full disk before a run is ENOSPC, and the file that was there stays")
{
	char *data = pattern(2 << 20), cwd[256];
	const struct copy_in file = { "file", 0644, { data, 2 << 20 } };

	CHECK(getcwd(cwd, sizeof(cwd)));
	make_text("file", "old");
	BOTH_WAYS
		CHECK_INT(write_files(cwd, &file, 1, NULL, NULL), ENOSPC);
	CHECK(holds("file", STR("old")));
	CHECK_INT(count_of("."), 1);
	free(data);
}

/* --- copying out ------------------------------------------------------------------------------ */

struct copy_out_call {
	struct parcel parcel;
	uint64_t most;
};

static int
call_copy_out(void *argument)
{
	struct copy_out_call *call = argument;

	return files_copy_out(&call->parcel, 1, call->most);
}

static struct reply
copy_out(const char *cwd, const char *const *paths, size_t len, uint64_t most)
{
	struct copy_out_call call = { .most = most };

	pack(&call.parcel, cwd, NULL, 0, paths, len);
	return run_process(call_copy_out, &call, "", 0);
}

/* Takes the next copy off what came: its content, in place. False: the framing does not hold. */
static bool
next_copy(const struct reply *reply, size_t *at, struct files_copy *copy, struct str *content)
{
	if (reply->len - *at < sizeof(*copy))
		return false;
	memcpy(copy, reply->out + *at, sizeof(*copy));
	*at += sizeof(*copy);
	if (copy->size > reply->len - *at)
		return false;
	*content = (struct str){ reply->out + *at, (size_t)copy->size };
	*at += (size_t)copy->size;
	return true;
}

ROOM("what a run leaves is copied out in order: content, what was cut, why it is not there")
{
	char cwd[256], absolute[300], *data = pattern(200000);
	struct files_copy copy;
	struct str content = { 0 };
	size_t at = 0;

	CHECK(getcwd(cwd, sizeof(cwd)));
	snprintf(absolute, sizeof(absolute), "%s/sub/small", cwd);
	CHECK(!mkdir("sub", 0755) && !mkdir("dir", 0755) && !mkfifo("fifo", 0644) &&
	    !symlink("sub/small", "link") && !symlink("circle", "circle") &&
	    !symlink("none", "dangling"));
	make_text("sub/small", "content");
	make_text("empty", "");
	make_text("dark", "x");
	CHECK(!chmod("dark", 0));
	make_socket("socket");
	make_file("big", data, 200000);
	make_file("exact", data, 100000);
	const struct {
		const char *path;
		int error;
		struct str content;
		bool truncated;
	} wanted[] = {
		{ absolute, 0, STR("content"), false }, { "sub/small", 0, STR("content"), false },
		{ "none", ENOENT, STR(""), false }, { "dir", EISDIR, STR(""), false },
		{ "fifo", EINVAL, STR(""), false }, { "socket", EINVAL, STR(""), false },
		{ "/dev/zero", EINVAL, STR(""), false }, { "empty", 0, STR(""), false },
		{ "big", 0, { data, 100000 }, true }, { "exact", 0, { data, 100000 }, false },
		{ "link", 0, STR("content"), false }, { "circle", ELOOP, STR(""), false },
		{ "dangling", ENOENT, STR(""), false }, { "dark", EACCES, STR(""), false },
		{ "sub/small/x", ENOTDIR, STR(""), false }, { "", ENOENT, STR(""), false },
		{ "sub/small", 0, STR("content"), false },
	};
	enum { LEN = sizeof(wanted) / sizeof(wanted[0]) };
	const char *paths[LEN];
	for (size_t i = 0; i < LEN; i++)
		paths[i] = wanted[i].path;
	process.nofile = 8;
	process.slow = process.interrupted = true;
	struct reply reply = copy_out(cwd, paths, LEN, 100000);
	CHECK_INT(reply.error, 0);
	for (size_t i = 0; i < LEN; i++) {
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK_INT(copy.error, wanted[i].error);
		CHECK_INT(copy.truncated, wanted[i].truncated);
		CHECK(str_eq(content, wanted[i].content));
	}
	CHECK_INT(at, reply.len);
	reply_free(&reply);
	free(data);
}

ROOM("nothing at all may be copied out of a file, and that is told as cut")
{
	const char *paths[] = { "file", "empty" };
	struct files_copy copy;
	struct str content;
	size_t at = 0;
	char cwd[256];

	CHECK(getcwd(cwd, sizeof(cwd)));
	make_text("file", "x");
	make_text("empty", "");
	struct reply reply = copy_out(cwd, paths, 2, 0);
	CHECK(next_copy(&reply, &at, &copy, &content));
	CHECK(!copy.error && copy.truncated && !copy.size);
	CHECK(next_copy(&reply, &at, &copy, &content));
	CHECK(!copy.error && !copy.truncated && !copy.size);
	CHECK_INT(at, reply.len);
	reply_free(&reply);
}

ROOM("where the working directory is gone, relative paths say so, and absolute ones are copied")
{
	const char *paths[] = { "file", "/proc/self/nothing", "file", NULL };
	char cwd[256], absolute[300];
	struct files_copy copy = { 0 };
	struct str content = { 0 };
	size_t at = 0;

	CHECK(getcwd(cwd, sizeof(cwd) - 8));
	snprintf(absolute, sizeof(absolute), "%s/file", cwd);
	snprintf(cwd + strlen(cwd), 8, "/gone");
	make_text("file", "content");
	paths[3] = absolute;
	struct reply reply = copy_out(cwd, paths, 4, 100);
	for (int i = 0; i < 3; i++) {
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK_INT(copy.error, ENOENT);
	}
	CHECK(next_copy(&reply, &at, &copy, &content));
	CHECK_INT(copy.error, 0);
	CHECK(str_eq(content, STR("content")));
	CHECK_INT(at, reply.len);
	reply_free(&reply);
}

ROOM("a file that becomes a FIFO just before it is copied out is none")
{
	const char *paths[] = { "file" };
	struct files_copy copy = { 0 };
	struct str content;
	size_t at = 0;
	char cwd[256];

	CHECK(getcwd(cwd, sizeof(cwd)) && !mkfifo("fifo", 0600));
	make_text("file", "content");
	before_content = swap_file;
	struct reply reply = copy_out(cwd, paths, 1, 100);
	CHECK(next_copy(&reply, &at, &copy, &content));
	CHECK_INT(copy.error, EINVAL);
	CHECK_INT(at, reply.len);
	reply_free(&reply);
}

static void
shorten_file(void)
{
	(void)!truncate("file", 1000);
}

ROOM("the framing holds when a file shrinks or grows while it is copied out")
{
	static const struct {
		size_t size;			/* at first */
		void (*at_fstat)(void), (*at_pread)(void);
		uint64_t told, real;		/* size in the head; how much is the file's */
	} wanted[] = {
		{ 20000, shorten_file, NULL, 1000, 1000 },	/* a chunk: exact */
		{ 200000, shorten_file, NULL, 1000, 1000 },
		{ 200000, NULL, truncate_file, 200000, 40000 },	/* too late: zeros */
		{ 200000, NULL, extend_file, 200000, 200000 },
		{ 1000, extend_file, NULL, 1000, 1000 },
	};
	const char *paths[] = { "file", "after" };
	char cwd[256], *data = pattern(200000);
	struct files_copy copy = { 0 };
	struct str content = { 0 };

	CHECK(getcwd(cwd, sizeof(cwd)));
	make_text("after", "after");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		size_t at = 0, zeros = 0;
		make_file("file", data, wanted[i].size);
		after_fstat = wanted[i].at_fstat;
		before_pread = wanted[i].at_pread;
		struct reply reply = copy_out(cwd, paths, 2, 300000);
		CHECK_INT(reply.error, 0);
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK_INT(copy.size, wanted[i].told);
		CHECK(content.len >= wanted[i].real && !memcmp(content.data, data, wanted[i].real));
		for (size_t j = wanted[i].real; j < content.len; j++)
			zeros += !content.data[j];
		CHECK_INT(zeros, wanted[i].told - wanted[i].real);
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK(str_eq(content, STR("after")));
		CHECK_INT(at, reply.len);
		reply_free(&reply);
	}
	free(data);
}

static void
change_size(unsigned round)
{
	(void)!truncate("file", round % 3 * 60000);
	(void)exchange("file", "fifo");
	(void)exchange("file", "fifo");
}

ROOM("the framing holds for a file that changes its size and its type all the time")
{
	const char *paths[] = { "file", "after" };
	struct files_copy copy = { 0 };
	struct str content = { 0 };
	char cwd[256];

	CHECK(getcwd(cwd, sizeof(cwd)) && !mkfifo("fifo", 0644));
	make_text("file", "");
	make_text("after", "after");
	pid_t pid = start_meddler(change_size);
	for (int i = 0; i < 200; i++) {
		size_t at = 0;
		struct reply reply = copy_out(cwd, paths, 2, 100000);
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK(copy.error ? copy.error == EINVAL && !copy.size : copy.size <= 100000);
		CHECK(next_copy(&reply, &at, &copy, &content));
		CHECK(str_eq(content, STR("after")));
		CHECK_INT(at, reply.len);
		reply_free(&reply);
	}
	end_meddler(pid);
}

TEST_MAIN()
