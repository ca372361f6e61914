/* bench.c - the measuring half of test/bench: the bare floor, a load of HTTP requests, CPU time over its limit
 *
 *	bench spawn WORKERS SECONDS COMMAND...		vfork, exec and wait, over and over
 *	bench http PORT PATH CLIENTS SECONDS BODY	the same request over kept connections, one at a time on each
 *	bench overshoot PORT RUNS LIMIT_MS BUSY PROGRAM	`time` of runs that hit their limit: PROGRAM busy BUSY
 *	bench busy N					N processes that compute for ever
 *	bench work MS					ends when it has used so much CPU time
 *	bench hit processes|memory|output		goes on until a limit ends it
 *	bench idle PORT N COMMAND...			COMMAND beside N connections on which nothing is asked any more
 *	bench mounts N DIR COMMAND...			COMMAND in a mount namespace with N mounts more
 *	bench memory PID				PSS and RSS in KB of a process and all below it
 *
 * Each prints one line of words NAME=VALUE; times are in microseconds. A load of requests is warmed up for a second first. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1024, SAMPLES_MAX = 1 << 21, REPLY_MAX = 8 << 20 };

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Shared by all workers, so that their samples come together. */
struct samples {
	_Atomic unsigned len;
	unsigned errors;
	uint32_t us[SAMPLES_MAX];
};

static struct samples *
samples_open(void)
{
	struct samples *samples = mmap(NULL, sizeof(*samples), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (samples == MAP_FAILED)
		die("mmap");
	return samples;
}

static void
samples_add(struct samples *samples, int64_t us)
{
	unsigned at = samples->len++;

	if (at < SAMPLES_MAX)
		samples->us[at] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static void
samples_tell(struct samples *samples, int64_t elapsed_us)
{
	unsigned len = samples->len < SAMPLES_MAX ? samples->len : SAMPLES_MAX;

	if (!len) {
		printf("runs=0 rate=0 p50=0 p95=0 p99=0 max=0 errors=%u\n", samples->errors);
		return;
	}
	qsort(samples->us, len, sizeof(samples->us[0]), by_value);
	printf("runs=%u rate=%.1f p50=%u p95=%u p99=%u max=%u errors=%u\n", len, len * 1e6 / (double)elapsed_us,
	    samples->us[len / 2], samples->us[(uint64_t)len * 95 / 100], samples->us[(uint64_t)len * 99 / 100],
	    samples->us[len - 1], samples->errors);
}

/* --- the floor ---------------------------------------------------------------------------------- */

static void
spawn_worker(struct samples *samples, int64_t until, char **argv)
{
	for (int64_t start = clock_us(), end; start < until; start = end) {
		int status;
		pid_t pid = vfork();
		if (pid == 0) {
			execvp(argv[0], argv);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("vfork");
		end = clock_us();
		if (status)
			samples->errors++;
		samples_add(samples, end - start);
	}
}

static int
spawn(int workers, int seconds, char **argv)
{
	struct samples *samples = samples_open();
	int64_t start = clock_us();

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork");
		if (pid == 0) {
			/* One core each; where there are fewer cores, the kernel shares them out. */
			cpu_set_t core;
			CPU_ZERO(&core);
			CPU_SET((size_t)i, &core);
			(void)sched_setaffinity(0, sizeof(core), &core);
			spawn_worker(samples, start + seconds * INT64_C(1000000), argv);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	int64_t elapsed = clock_us() - start;
	struct rusage usage;
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	printf("cpu=%.1f ", (double)((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
	    usage.ru_stime.tv_usec) / (samples->len ? samples->len : 1));
	samples_tell(samples, elapsed);
	return 0;
}

/* --- a load of requests ------------------------------------------------------------------------- */

struct client {
	int fd;
	int64_t start;
	size_t len, body_at, expected;	/* body_at 0: the head is not whole yet */
	char *reply;
};

static int
connect_to(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static char *
make_request(int port, const char *path, const char *body, size_t *len)
{
	size_t size = strlen(path) + strlen(body) + 256;
	char *text = malloc(size);

	if (!text)
		die("malloc");
	*len = (size_t)snprintf(text, size, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s", path, port, strlen(body), body);
	return text;
}

static void
ask(struct client *client, const char *request, size_t len)
{
	client->len = client->body_at = client->expected = 0;
	client->start = clock_us();
	if (write(client->fd, request, len) != (ssize_t)len)
		die("write");
}

/* Reads what has come. 1: the reply is whole. */
static int
take(struct client *client)
{
	ssize_t n = read(client->fd, client->reply + client->len, REPLY_MAX - 1 - client->len);

	if (n <= 0)
		die(n ? "read" : "the server closed a connection");
	client->len += (size_t)n;
	client->reply[client->len] = '\0';
	if (!client->body_at) {
		char *end = strstr(client->reply, "\r\n\r\n");
		char *length = strstr(client->reply, "Content-Length:");
		if (!end || !length)
			return 0;
		client->body_at = (size_t)(end + 4 - client->reply);
		client->expected = client->body_at + strtoul(length + 15, NULL, 10);
	}
	return client->len >= client->expected;
}

static bool
reply_good(const struct client *client)
{
	const char *body = client->reply + client->body_at;

	/* The fields of the verdict come behind an output that may be large: all of it is looked through. */
	return !strncmp(client->reply, "HTTP/1.1 200", 12) && strstr(body, "\"status\": \"exited\"") &&
	    strstr(body, "\"exit_code\": 0");
}

static int
http(int port, const char *path, int clients_len, int seconds, const char *body)
{
	static struct client clients[CLIENTS_MAX];
	static struct pollfd fds[CLIENTS_MAX];
	struct samples *samples = samples_open();
	size_t len;
	char *request = make_request(port, path, body, &len);

	for (int i = 0; i < clients_len; i++) {
		clients[i].fd = connect_to(port);
		clients[i].reply = mmap(NULL, REPLY_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (clients[i].reply == MAP_FAILED)
			die("mmap");
		fds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
	}
	int64_t start = clock_us() + 1000000, until = start + seconds * INT64_C(1000000);
	int busy = clients_len, all = 0;
	for (int i = 0; i < clients_len; i++)
		ask(&clients[i], request, len);
	while (busy) {
		if (poll(fds, (nfds_t)clients_len, 60000) <= 0)
			die("no reply for a minute");
		for (int i = 0; i < clients_len; i++) {
			if (!fds[i].revents || !take(&clients[i]))
				continue;
			int64_t now = clock_us();
			all++;
			samples->errors += !reply_good(&clients[i]);
			if (now >= start)
				samples_add(samples, now - clients[i].start);
			if (now < until) {
				ask(&clients[i], request, len);
			} else {
				fds[i].fd = -1;
				busy--;
			}
		}
	}
	int64_t elapsed = clock_us() - start;
	printf("all=%d ", all);
	samples_tell(samples, elapsed);
	free(request);
	return 0;
}

/* --- CPU time over its limit ---------------------------------------------------------------------- */

static int
overshoot(int port, int runs, int limit_ms, int busy, const char *program)
{
	struct samples *samples = samples_open();
	char body[512];
	size_t len;
	struct client client = { .fd = connect_to(port), .reply = malloc(REPLY_MAX) };

	snprintf(body, sizeof(body), "{\"command\": [\"%s\", \"busy\", \"%d\"], \"time\": %d, \"wall_time\": 60000}", program,
	    busy, limit_ms);
	char *request = make_request(port, "/run", body, &len);
	int64_t start = clock_us();
	for (int i = 0; i < runs; i++) {
		ask(&client, request, len);
		while (!take(&client))
			;
		const char *time = strstr(client.reply, "\"time\": ");
		if (!time || !strstr(client.reply, "\"time_limit\"")) {
			samples->errors++;
			continue;
		}
		samples_add(samples, (int64_t)((strtod(time + 8, NULL) - limit_ms) * 1000));
	}
	samples_tell(samples, clock_us() - start);
	free(request);
	free(client.reply);
	return 0;
}

static _Noreturn void
spin(int processes)
{
	while (--processes > 0 && fork() > 0)
		;
	for (volatile unsigned long i = 0;; i++)
		;
}

/* --- what runs beside others -------------------------------------------------------------------- */

static int
work(int ms)
{
	struct timespec used;

	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	while (used.tv_sec * INT64_C(1000) + used.tv_nsec / 1000000 < ms);
	return 0;
}

static _Noreturn void
hit(const char *what)
{
	static char bytes[65536];

	for (;;) {
		if (!strcmp(what, "processes"))
			(void)!fork();
		else if (!strcmp(what, "memory"))
			memset(malloc(1 << 20), 1, 1 << 20);
		else
			(void)!write(STDOUT_FILENO, bytes, sizeof(bytes));
	}
}

/* --- surroundings --------------------------------------------------------------------------------- */

static int
with_mounts(int mounts, const char *directory, char **argv)
{
	char path[4096];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("unshare");
	for (int i = 0; i < mounts; i++) {
		snprintf(path, sizeof(path), "%s/%d", directory, i);
		if ((mkdir(path, 0755) && errno != EEXIST) || mount(path, path, NULL, MS_BIND, NULL))
			die(path);
	}
	execvp(argv[0], argv);
	die(argv[0]);
}

/* Each has had one reply, and is kept open by the command, which does not know of it. */
static int
beside_idle(int port, int connections, char **argv)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct rlimit most;
	char reply[4096];

	if (getrlimit(RLIMIT_NOFILE, &most))
		die("getrlimit");
	most.rlim_cur = most.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &most);
	for (int i = 0; i < connections; i++) {
		int fd = connect_to(port);
		if (fcntl(fd, F_SETFD, 0) || write(fd, request, sizeof(request) - 1) < 0 || read(fd, reply, sizeof(reply)) <= 0)
			die("idle");
	}
	execvp(argv[0], argv);
	die(argv[0]);
}

static pid_t
parent_of(pid_t pid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static void
add_memory(pid_t pid, long *pss, long *rss)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "Pss:", 4))
			*pss += strtol(line + 4, NULL, 10);
		if (!strncmp(line, "Rss:", 4))
			*rss += strtol(line + 4, NULL, 10);
	}
	if (file)
		fclose(file);
}

static int
memory(pid_t top)
{
	long pss = 0, rss = 0, processes = 0;
	struct dirent *entry;
	DIR *list = opendir("/proc");

	while (list && (entry = readdir(list))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), above = pid;
		while (above > 1 && above != top)
			above = parent_of(above);
		if (pid <= 0 || above != top)
			continue;
		processes++;
		add_memory(pid, &pss, &rss);
	}
	if (list)
		closedir(list);
	printf("processes=%ld pss=%ld rss=%ld\n", processes, pss, rss);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(what, "spawn") && argc > 4)
		return spawn(atoi(argv[2]), atoi(argv[3]), argv + 4);
	if (!strcmp(what, "http") && argc == 7 && atoi(argv[4]) >= 1 && atoi(argv[4]) <= CLIENTS_MAX)
		return http(atoi(argv[2]), argv[3], atoi(argv[4]), atoi(argv[5]), argv[6]);
	if (!strcmp(what, "overshoot") && argc == 7)
		return overshoot(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), argv[6]);
	if (!strcmp(what, "busy") && argc == 3)
		spin(atoi(argv[2]));
	if (!strcmp(what, "work") && argc == 3)
		return work(atoi(argv[2]));
	if (!strcmp(what, "hit") && argc == 3)
		hit(argv[2]);
	if (!strcmp(what, "idle") && argc > 4)
		return beside_idle(atoi(argv[2]), atoi(argv[3]), argv + 4);
	if (!strcmp(what, "mounts") && argc > 4)
		return with_mounts(atoi(argv[2]), argv[3], argv + 4);
	if (!strcmp(what, "memory") && argc == 3)
		return memory((pid_t)atoi(argv[2]));
	fprintf(stderr, "bench: wrong arguments: see the top of bench.c\n");
	return 2;
}
