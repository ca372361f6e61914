/* needs: buf.c http_connection.c http_input.c http_output.c http_parse.c http_quiet.c time_text.c wait.c */
/* Fuzzing of connections: what clients send in which pieces and pauses, what the caller does with it, and who goes first
 *
 * The input is a script of steps, two bytes each and for sent bytes their text. Beside memory errors it is an error when an event
 * names a client that is not there, when a reply comes that was not asked for, or when something is left at the end. */
#include "../../http.c"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, SCRIPT_MAX = 4096, ROUNDS = 6, SINK = 65536 };

enum step { STEP_SEND, STEP_PAUSE, STEP_LEAVE, STEP_HALF, STEP_TAKE, STEP_ANSWER, STEP_DRAIN, STEPS };

struct play {
	struct http *http;
	struct wait wait;
	int64_t now;
	int clients[CLIENTS];
	unsigned habit;			/* what the caller does with a request */
	struct http_client last;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void answer(struct play *play, struct http_client client, int status)
{
	struct buf body;

	buf_init(&body, 1 << 20);
	must(!buf_append(&body, "0123456789", 10));
	(void)http_reply(play->http, client, status, "text/plain", NULL, &body);
	buf_free(&body);
}

static void on_request(struct play *play, struct http_client client)
{
	const struct http_request *request = http_request(play->http, client);

	must(request && request->path.len > 0 && request->fields_len <= HTTP_FIELDS_MAX);
	play->last = client;
	switch (play->habit++ % 5) {
	case 0: answer(play, client, 200); break;
	case 1: (void)http_body_keep(play->http, client); break;
	case 2: (void)http_body_stream(play->http, client); break;
	case 3: (void)http_reply_begin(play->http, client, 200, NULL, NULL, -1); break;
	default: break;			/* later, or never */
	}
}

/* Back to the client as it comes, as far as there is room. */
static void echo(struct play *play, struct http_client client)
{
	struct str piece = http_body(play->http, client);

	must(piece.len <= PIECE_MAX);
	if (http_reply_room(play->http, client) == 0)
		(void)http_reply_begin(play->http, client, 200, NULL, NULL, -1);
	int64_t n = http_reply_write(play->http, client, piece);
	must(n <= (int64_t)piece.len);
	http_body_consume(play->http, client, n > 0 ? (size_t)n : piece.len);
	if (http_body_ended(play->http, client))
		(void)http_reply_end(play->http, client);
}

static void on_event(struct play *play, const struct http_event *event)
{
	switch (event->type) {
	case HTTP_REQUEST: on_request(play, event->client); break;
	case HTTP_BODY:
		(void)http_body(play->http, event->client);
		http_body_drop(play->http, event->client);
		answer(play, event->client, 200);
		break;
	case HTTP_CHUNK: echo(play, event->client); break;
	case HTTP_ROOM: (void)http_reply_end(play->http, event->client); break;
	case HTTP_BAD:
		must(event->status >= 400 && event->status < 600 && event->reason);
		answer(play, event->client, event->status);
		break;
	case HTTP_DONE:
	case HTTP_GONE: must(!http_request(play->http, event->client)); break;
	case HTTP_NONE: must(false);
	}
}

static void turn(struct play *play)
{
	struct http_event event;

	for (int i = 0; i < ROUNDS; i++) {
		wait_begin(&play->wait);
		play->wait.now = play->now;
		http_wait(play->http, &play->wait);
		while (poll(play->wait.fds, play->wait.len, 0) < 0)
			must(errno == EINTR);	/* the fuzzer's own clock */
		http_step(play->http, &play->wait);
		for (int n = 0; http_next(play->http, &event); n++) {
			must(n < 1000);
			on_event(play, &event);
		}
	}
}

static void connect_one(struct play *play, int *client)
{
	union peer peer = { .any = { .sa_family = AF_UNIX } };
	int fds[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	*client = fds[0];
	if (play->http->count < play->http->config.connections_max)
		must(connection_open(play->http, fds[1], 0, &peer) != NULL);
	else
		close(fds[1]);
}

/* One step; returns how many bytes of the script it took. */
static size_t play_step(struct play *play, const uint8_t *at, size_t left)
{
	char sink[SINK];
	int *client = &play->clients[(at[0] >> 4) % CLIENTS];
	size_t len = at[1] < left - 2 ? at[1] : left - 2;

	switch (at[0] % 16 % STEPS) {
	case STEP_SEND:
		if (*client < 0)
			connect_one(play, client);
		(void)!send(*client, at + 2, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		turn(play);
		return 2 + len;
	case STEP_PAUSE: play->now += SECONDS(at[1]) / 4; break;
	case STEP_LEAVE:
		if (*client >= 0)
			close(*client);
		*client = -1;
		break;
	case STEP_HALF:
		if (*client >= 0)
			shutdown(*client, SHUT_WR);
		break;
	case STEP_TAKE:
		if (*client >= 0)
			(void)!recv(*client, sink, sizeof(sink), MSG_DONTWAIT);
		break;
	case STEP_ANSWER:
		if (at[1] & 1)
			http_cut(play->http, play->last);
		else
			answer(play, play->last, 204);
		break;
	case STEP_DRAIN:
		if (at[1] == 255)
			http_drain(play->http);
		else
			play->habit = at[1];
	}
	turn(play);
	return 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_config config = {
		.connections_max = CLIENTS, .head_max = 1024, .body_max = 4096, .bodies_max = 8192,
	};
	struct play play = { .now = SECONDS(1000), .clients = { -1, -1, -1 } };

	if (size > SCRIPT_MAX)
		return 0;
	must(!http_open(&play.http, &config));
	play.http->now = play.now;
	wait_open(&play.wait);
	for (size_t at = 0; size - at >= 2;)
		at += play_step(&play, data + at, size - at);
	for (size_t i = 0; i < CLIENTS; i++)
		if (play.clients[i] >= 0)
			close(play.clients[i]);
	/* Who has left is gone at once or, where something is still drained, after a while. */
	for (int i = 0; i < 4; i++) {
		turn(&play);
		play.now += SECONDS(100);
	}
	turn(&play);
	must(http_connections(play.http) == 0 && http_busy(play.http) == 0 && play.http->bodies == 0);
	http_close(play.http);
	wait_close(&play.wait);
	return 0;
}

#include "replay.h"
