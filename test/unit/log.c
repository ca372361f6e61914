/* needs: buf.c json.c result.c time_text.c wait.c */
/* log.c's tests: one line a request, on a stderr that may be full */
#include "../../log.c"

#include <fcntl.h>

#include "test.h"

static int saved = -1, reader = -1;

/* stderr becomes a pipe that is soon full. */
static void take_stderr(void)
{
	int ends[2];

	CHECK_INT(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	(void)fcntl(reader, F_SETPIPE_SZ, 8192);
	(void)fcntl(reader, F_SETFL, O_NONBLOCK);
	dropped = 0;
}

static size_t read_stderr(char *text, size_t size)
{
	ssize_t n = read(reader, text, size - 1);

	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

static void give_stderr_back(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(reader);
}

static const struct message_result ended = {
	.verdict = VERDICT_EXITED, .usage = { .cpu_ns = 1500000, .wall_ns = 2000000, .mem_kb = 3416 },
};
static const struct log_line line = {
	.id = "abc", .method = "POST", .route = "/run", .status = 200, .sent = 12, .ns = 3000000, .result = &ended,
};

TEST("a request is one line of text, or one object")
{
	char text[4096];

	take_stderr();
	log_request(LOG_TEXT, &line);
	read_stderr(text, sizeof(text));
	char *rest = strchr(text, ' ');
	CHECK(rest != NULL);
	if (!rest)
		return;
	CHECK(!strcmp(rest, " abc POST /run 200 bytes=12 ms=3.000 exited time=1.500 wall_time=2.000 mem=3416\n"));
	CHECK(rest - text == 24 && text[10] == 'T' && text[23] == 'Z');
	log_request(LOG_JSON, &line);
	read_stderr(text, sizeof(text));
	rest = strstr(text, "\", \"id\"");
	CHECK(!strncmp(text, "{\"at\": \"2", 9));
	CHECK(rest && !strcmp(rest, "\", \"id\": \"abc\", \"method\": \"POST\", \"route\": \"/run\", \"status\": 200, "
	    "\"bytes\": 12, \"ms\": 3.000, \"verdict\": \"exited\", \"time\": 1.500, \"wall_time\": 2.000, \"mem\": 3416}\n"));
	log_request(LOG_NONE, &line);
	log_say(LOG_NONE, "nothing");
	CHECK_INT(read_stderr(text, sizeof(text)), 0);
	log_say(LOG_JSON, "what: %s", "reason");
	read_stderr(text, sizeof(text));
	CHECK(!strcmp(text, "opensandbox: what: reason\n"));
	give_stderr_back();
}

TEST("a stderr that is full takes no time; how many lines were lost is said when there is room again")
{
	char text[70000];
	int lines = 0;

	take_stderr();
	int64_t began = wait_clock();
	for (int i = 0; i < 2000; i++)
		log_request(LOG_TEXT, &line);
	CHECK(wait_clock() - began < 5000000000);
	CHECK(dropped > 0);
	unsigned long lost = dropped;
	read_stderr(text, sizeof(text));
	for (char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	CHECK_INT((unsigned long)lines + lost, 2000);
	/* Each that came is whole. */
	CHECK(text[strlen(text) - 1] == '\n');
	log_request(LOG_TEXT, &line);
	read_stderr(text, sizeof(text));
	char said[64];
	snprintf(said, sizeof(said), "opensandbox: %lu log lines were dropped\n", lost);
	CHECK(!strncmp(text, said, strlen(said)));
	CHECK(strstr(text, " /run ") != NULL);
	CHECK_INT(dropped, 0);
	give_stderr_back();
}

TEST("what is said is one line of at most 1 KB")
{
	static char large[3000];
	char text[4096];

	memset(large, 'x', sizeof(large) - 1);
	take_stderr();
	log_say(LOG_TEXT, "%s", large);
	size_t n = read_stderr(text, sizeof(text));
	CHECK(n > 400 && n <= LINE_MAX_LEN && text[n - 1] == '\n');
	give_stderr_back();
}

TEST_MAIN()
