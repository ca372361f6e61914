/* needs: http_input.c http_output.c http_parse.c http_quiet.c buf.c wait.c time_text.c */
/* Tests of the HTTP room over real sockets. Time is what the test says it is: deadlines pass
 * without waiting. */
#include "../../http.c"
#include "../../http_connection.c"
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/un.h>

enum { CONNECTIONS = 64, SEEN_MAX = 1 << 16 };

/* A server with a caller of its own: what it does with a request is said by the path. */
struct server {
	struct http *http;
	struct wait wait;
	int listener;
	uint16_t port;
	int64_t now;
	int rounds, events[HTTP_GONE + 1];
	int names;			/* that came with HTTP_BAD */
	int status;			/* of the last HTTP_BAD */
	uint64_t sent;
	struct http_client last;
	char target[256];		/* of the last request */
	size_t body_len;		/* of the last kept body */
	bool hold;			/* streamed bodies are not consumed */
	bool manual;			/* requests are only counted */
	bool pass;			/* a streamed body is being sent back */
	size_t peak, passed;
};

static void server_open_with(struct server *server, struct http_config config)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(address);

	*server = (struct server){ .now = SECONDS(1000) };
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CHECK(!bind(server->listener, (struct sockaddr *)&address, sizeof(address)));
	CHECK(!listen(server->listener, 4096));
	CHECK(!getsockname(server->listener, (struct sockaddr *)&address, &len));
	server->port = address.sin_port;
	config.listeners = &server->listener;
	config.listeners_len = 1;
	if (!config.connections_max)
		config.connections_max = CONNECTIONS;
	if (!config.head_max)
		config.head_max = 8192;
	CHECK_INT(http_open(&server->http, &config), 0);
	server->http->now = server->now;
	wait_open(&server->wait);
}

static void server_open(struct server *server)
{
	server_open_with(server, (struct http_config){ 0 });
}

static void server_close(struct server *server)
{
	http_close(server->http);
	wait_close(&server->wait);
}

static void answer(struct server *server, struct http_client client, int status, const char *text)
{
	struct buf body;

	buf_init(&body, 1 << 20);
	buf_puts(&body, text);
	http_reply(server->http, client, status, "text/plain", NULL, &body);
	buf_free(&body);
}

static void on_request(struct server *server, struct http_client client)
{
	const struct http_request *request = http_request(server->http, client);

	CHECK(request != NULL);
	if (!request)
		return;
	snprintf(server->target, sizeof(server->target), "%.*s|%.*s|%.*s|%.*s",
	         (int)request->method_text.len, request->method_text.data,
	         (int)request->path.len, request->path.data,
	         (int)request->query.len, request->query.data ? request->query.data : "",
	         (int)request->host.len, request->host.data ? request->host.data : "");
	if (server->manual || str_is(request->path, "/hang"))
		return;
	if (str_is(request->path, "/now"))
		answer(server, client, 200, "now");
	else if (str_is(request->path, "/stream"))
		CHECK_INT(http_body_stream(server->http, client), 0);
	else
		CHECK_INT(http_body_keep(server->http, client), 0);
}

/* Sends a streamed body back as it comes. */
static void pass(struct server *server, struct http_client client)
{
	struct str piece = http_body(server->http, client);
	int64_t n;

	if (!server->pass) {
		server->pass = true;
		CHECK_INT(http_reply_begin(server->http, client, 200, NULL, NULL, -1), 0);
	}
	if (server->hold)
		return;
	CHECK(piece.len <= PIECE_MAX);
	while (piece.len > 0 && http_reply_room(server->http, client) > 0) {
		n = http_reply_write(server->http, client, piece);
		if (n <= 0)
			break;
		server->passed += (size_t)n;
		http_body_consume(server->http, client, (size_t)n);
		piece = http_body(server->http, client);
	}
	if (http_body_ended(server->http, client)) {
		server->pass = false;
		CHECK_INT(http_reply_end(server->http, client), 0);
	}
}

static void on_event(struct server *server, struct http_event *event)
{
	char text[64];

	server->events[event->type]++;
	server->last = event->client;
	switch (event->type) {
	case HTTP_REQUEST:
		on_request(server, event->client);
		break;
	case HTTP_BODY:
		server->body_len = http_body(server->http, event->client).len;
		snprintf(text, sizeof(text), "[%zu]", server->body_len);
		http_body_drop(server->http, event->client);
		if (!server->manual)
			answer(server, event->client, 200, text);
		break;
	case HTTP_CHUNK:
	case HTTP_ROOM:
		if (!server->manual)
			pass(server, event->client);
		break;
	case HTTP_BAD:
		server->status = event->status;
		server->names += !http_request(server->http, event->client);
		CHECK(event->reason && event->reason[0]);
		if (!server->manual)
			answer(server, event->client, event->status, event->reason);
		break;
	case HTTP_DONE:
	case HTTP_GONE:
		server->sent = event->sent;
		CHECK(http_request(server->http, event->client) == NULL);
		break;
	case HTTP_NONE:
		break;
	}
}

static int server_round(struct server *server)
{
	struct http_event event;
	int ready;

	wait_begin(&server->wait);
	server->wait.now = server->now;
	http_wait(server->http, &server->wait);
	ready = poll(server->wait.fds, server->wait.len, 0);
	http_step(server->http, &server->wait);
	while (http_next(server->http, &event)) {
		on_event(server, &event);
		ready++;
	}
	server->rounds++;
	return ready;
}

/* Until nothing moves any more. */
static void server_run(struct server *server)
{
	for (int quiet = 0, n = 0; quiet < 3 && n < 100000; n++)
		quiet = server_round(server) > 0 ? 0 : quiet + 1;
}

/* Lets ns pass, so that the deadlines in between come. */
static void server_sleep(struct server *server, int64_t ns)
{
	server_run(server);
	server->now += ns;
	server_run(server);
}

/* A client, over a pair of sockets (nothing but the server's own timing) or TCP. */
struct client {
	int fd;
	bool closed, reset;
	size_t len;
	char seen[SEEN_MAX];
};

static void client_open(struct client *client, struct server *server)
{
	union peer peer = { .any = { .sa_family = AF_UNIX } };
	int fds[2];

	client->closed = client->reset = false;
	client->len = 0;
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	client->fd = fds[0];
	CHECK(connection_open(server->http, fds[1], 0, &peer) != NULL);
}

static int tcp_connect(const struct server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = server->port,
	                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void client_connect(struct client *client, struct server *server)
{
	client->closed = client->reset = false;
	client->len = 0;
	client->fd = tcp_connect(server);
	CHECK(client->fd >= 0);
	server_run(server);
}

static void client_close(struct client *client)
{
	close(client->fd);
}

static void client_read(struct client *client)
{
	ssize_t n;

	while (client->len < SEEN_MAX - 1) {
		n = recv(client->fd, client->seen + client->len, SEEN_MAX - 1 - client->len,
		    MSG_DONTWAIT);
		if (n <= 0) {
			client->closed = client->closed || n == 0 || errno != EAGAIN;
			client->reset = client->reset || (n < 0 && errno == ECONNRESET);
			break;
		}
		client->len += (size_t)n;
	}
	client->seen[client->len] = '\0';
}

static void client_send(struct client *client, struct server *server, const char *data, size_t len)
{
	ssize_t n;

	for (size_t at = 0, tries = 0; at < len && tries < 1000; tries++) {
		n = send(client->fd, data + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
		server_run(server);
		client_read(client);
	}
	server_run(server);
	client_read(client);
}

static void client_puts(struct client *client, struct server *server, const char *text)
{
	client_send(client, server, text, strlen(text));
}

/* The statuses that came, as in "200 200 400", and " close" where the connection was ended. */
static void client_summary(struct client *client, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (const char *at = client->seen; (at = strstr(at, "HTTP/1.1 ")) != NULL &&
	    len + 8 < size; at += 9)
		len += (size_t)snprintf(text + len, size - len, "%s%.3s", len ? " " : "", at + 9);
	if (client->closed)
		snprintf(text + len, size - len, "%sclose", len ? " " : "");
}

static bool client_saw(struct client *client, const char *summary)
{
	char text[256];

	client_summary(client, text, sizeof(text));
	if (!strcmp(text, summary))
		return true;
	printf("# saw '%s', not '%s'\n", text, summary);
	return false;
}

#define H "Host: a\r\n"
#define GET_LINE "GET / HTTP/1.1\r\n"
#define POST_HEAD "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define LITERAL(text) (text), sizeof(text) - 1

/* What is sent on a fresh connection, and what must come of it, however it is cut. */
static const struct {
	const char *data;
	size_t len;
	const char *summary;
} cases[] = {
	/* requests that are right */
	{ LITERAL(GET_LINE H "\r\n"), "200" },
	{ LITERAL("HEAD / HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL("\r\n" GET_LINE H "\r\n"), "200" },
	{ LITERAL(GET_LINE H "\r\n" GET_LINE H "\r\n" GET_LINE H "\r\n"), "200 200 200" },
	{ LITERAL(GET_LINE H "\r\n\r\n" GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(GET_LINE "host:a\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE "Host: \t a:80 \t\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE "Host: [::1]:8080\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE "Host: a%20b:\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE H "X:\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE H "X: \xc3\xa9\r\n\r\n"), "200" },
	{ LITERAL(GET_LINE H "Connection: close\r\n\r\n" GET_LINE H "\r\n"), "200 close" },
	{ LITERAL(GET_LINE H "Connection: x, ,Close\r\n\r\n"), "200 close" },
	{ LITERAL(GET_LINE H "Connection: keep-alive\r\nConnection: close\r\n\r\n"), "200 close" },
	{ LITERAL(GET_LINE H "Connection: closed\r\n\r\n"), "200" },
	{ LITERAL("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL("PATCH / HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL("GET http://a/ HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL("GET HTTP://A?q HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL("GET http://[::1]:1/ HTTP/1.1\r\nHost: [::1]:1\r\n\r\n"), "200" },
	{ LITERAL("GET /%41?a=b&c=%2f HTTP/1.1\r\n" H "\r\n"), "200" },
	{ LITERAL(POST_HEAD "Content-Length: 3\r\n\r\nabc" GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(POST_HEAD "Content-Length: 0\r\n\r\n" GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(POST_HEAD "Content-Length: 003\r\n\r\nabc"), "200" },
	{ LITERAL(CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(CHUNKED "0\r\n\r\n" GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(CHUNKED "a;x=\"y z\";w\r\n0123456789\r\n00\r\nX: y\r\nZ:\r\n\r\n"
	    GET_LINE H "\r\n"), "200 200" },
	{ LITERAL(POST_HEAD "transfer-encoding:\tCHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "200" },
	{ LITERAL(POST_HEAD "Expect: 100-Continue\r\n\r\n"), "200" },
	/* HTTP/1.0 */
	{ LITERAL("GET / HTTP/1.0\r\n\r\n"), "200 close" },
	{ LITERAL("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
	    "200 200 close" },
	{ LITERAL("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"), "200 close" },
	{ LITERAL("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), "200 close" },
	{ LITERAL("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/1.0\r\n" H H "\r\n"), "400 close" },
	/* request lines */
	{ LITERAL("\r\n\r\n" GET_LINE H "\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/1.1 \r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET  / HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /  HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL(" GET / HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET\t/ HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET / http/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/1.11\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/+.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET / HTTP/1.2\r\n" H "\r\n"), "505 close" },
	{ LITERAL("GET / HTTP/0.9\r\n" H "\r\n"), "505 close" },
	{ LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505 close" },
	{ LITERAL("\x16\x03\x01\x02\x00"), "400 close" },
	{ LITERAL("get / HTTP/1.1\r\n" H "\r\n"), "501 close" },
	{ LITERAL("BREW / HTTP/1.1\r\n" H "\r\n"), "501 close" },
	{ LITERAL("G@T / HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /\0 HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /\x7f HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /\" HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /#a HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /[ HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /?] HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /%4 HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET /%zz HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET x HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET * HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("OPTIONS *x HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("CONNECT a:80 HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET https://a/ HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET http://b/ HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET http:///x HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET http://u@a/ HTTP/1.1\r\n" H "\r\n"), "400 close" },
	{ LITERAL("GET http:// HTTP/1.1\r\n" H "\r\n"), "400 close" },
	/* lines */
	{ LITERAL("GET / HTTP/1.1\n" H "\r\n"), "400 close" },
	{ LITERAL("\n" GET_LINE H "\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a\r\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X: a\rb\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "\rX: a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X: a\0b\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X: a\x01\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X: a\r\n b\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X: a\r\n\tb\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE " " H "\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X : a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X\t: a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H ": a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X(y): a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "X\xc3: a\r\n\r\n"), "400 close" },
	/* Host */
	{ LITERAL(GET_LINE "\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host:\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE H H "\r\n"), "400 close" },
	{ LITERAL(GET_LINE H "host: b\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a b\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a,b/c\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: u@a\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a:x\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a:65536\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: :80\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: ::1\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: [::1\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: [1.2.3.4]\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: [::1]80\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: [fe80::1%25x]\r\n\r\n"), "400 close" },
	{ LITERAL(GET_LINE "Host: a%2\r\n\r\n"), "400 close" },
	/* lengths and codings */
	{ LITERAL(POST_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	    "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
	    "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 3, 3\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: +3\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: -3\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 0x3\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 3 0\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 3.\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length:\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 9223372036854775808\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 18446744073709551619\r\n\r\nabc"), "400 close" },
	{ LITERAL(POST_HEAD "Content-Length: 9223372036854775807\r\n\r\nabc"), "413 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: identity\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: chunked\r\n"
	          "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding:\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "501 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(POST_HEAD "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"), "417 close" },
	/* chunks */
	{ LITERAL(CHUNKED "+3\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3 ;x\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED ";x\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED ";x\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "g\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "8000000000000000\r\nabc"), "400 close" },
	{ LITERAL(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "7fffffffffffffff\r\nabc"), "413 close" },
	{ LITERAL(CHUNKED "3\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\rabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\r\nabc\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\r\nabcXX0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\r\nabc\r0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3\r\nabc0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3;x\ny\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3;\x01\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "3;x\ry\r\nabc\r\n0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\nX\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\n: x\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\n X: y\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\nX: y\r\n z\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\nX : y\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\nX: y\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\nX: \0\r\n\r\n"), "400 close" },
	{ LITERAL(CHUNKED "0\r\n\n"), "400 close" },
	{ LITERAL(CHUNKED "0\n\r\n"), "400 close" },
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Sends a case in up to three parts, and compares what comes of it. */
static bool try_case(struct server *server, size_t i, size_t step, size_t split)
{
	static struct client client;
	const char *data = cases[i].data;
	size_t len = cases[i].len;
	bool right;

	client_open(&client, server);
	if (split) {
		client_send(&client, server, data, split);
		client_send(&client, server, data + split, len - split);
	} else {
		for (size_t at = 0; at < len; at += step)
			client_send(&client, server, data + at, len - at < step ? len - at : step);
	}
	right = client_saw(&client, cases[i].summary);
	if (!right)
		printf("# case %zu, step %zu, split %zu: %.*s\n", i, step, split, (int)len, data);
	client_close(&client);
	server_run(server);
	CHECK_INT(http_connections(server->http), 0);
	CHECK_INT(http_busy(server->http), 0);
	return right;
}

TEST("every request of the table is answered as the RFC has it, when it comes all at once")
{
	struct server server;

	CHECK(CASES >= 80);
	server_open(&server);
	for (size_t i = 0; i < CASES; i++)
		CHECK(try_case(&server, i, cases[i].len, 0));
	CHECK_INT(server.events[HTTP_DONE] + server.events[HTTP_GONE],
	          server.events[HTTP_REQUEST] + server.names);
	server_close(&server);
}

TEST("every request of the table is answered the same when it comes byte by byte")
{
	struct server server;

	server_open(&server);
	for (size_t i = 0; i < CASES; i++)
		CHECK(try_case(&server, i, 1, 0));
	server_close(&server);
}

TEST("every request of the table is answered the same wherever it is cut in two")
{
	struct server server;

	server_open(&server);
	for (size_t i = 0; i < CASES; i++)
		for (size_t split = 1; split < cases[i].len; split++)
			if (!try_case(&server, i, 0, split))
				CHECK(false);
	server_close(&server);
}

TEST("every request of the table is answered the same when it comes with pauses, out of the poll set")
{
	static struct client client;
	struct server server;
	size_t quiet = 0;

	server_open(&server);
	for (size_t i = 0; i < CASES; i++) {
		size_t len = cases[i].len, step = len / 16 + 1;
		client_open(&client, &server);
		for (size_t at = 0; at < len; at += step) {
			server_sleep(&server, SECONDS(1) / 10);
			quiet += !link_empty(&server.http->quiet);
			CHECK(server.wait.len <= 2);
			client_send(&client, &server, cases[i].data + at, len - at < step ? len - at : step);
		}
		if (!client_saw(&client, cases[i].summary))
			printf("# case %zu: %.*s\n", i, (int)len, cases[i].data);
		CHECK(client_saw(&client, cases[i].summary));
		client_close(&client);
		server_run(&server);
		CHECK_INT(http_connections(server.http), 0);
	}
	CHECK(quiet > CASES * 4);
	server_close(&server);
}

static size_t length(const struct link *list)
{
	size_t n = 0;

	for (const struct link *l = list->next; l != list; l = l->next)
		n++;
	return n;
}

TEST("connections where nothing happens are one descriptor of the poll set, until something does")
{
	enum { MANY = 60 };
	static struct client clients[MANY];
	struct server server;

	server_open(&server);
	server.manual = true;
	for (size_t i = 0; i < MANY; i++)
		client_open(&clients[i], &server);
	/* A third is idle, one has a head that does not come, one a request that is not answered. */
	for (size_t i = 0; i < MANY; i++)
		if (i % 3)
			client_puts(&clients[i], &server, i % 3 == 1 ? "GET / " : GET_LINE H "\r\n");
	CHECK_INT(length(&server.http->polled), MANY);
	server_sleep(&server, SECONDS(1) / 10);
	server_run(&server);
	CHECK_INT(length(&server.http->quiet), MANY);
	CHECK_INT(server.wait.len, 2);
	/* Bytes, a reply and a disconnect bring one back each; the others stay. */
	client_puts(&clients[0], &server, GET_LINE H "\r\n");
	CHECK_INT(length(&server.http->polled), 1);
	answer(&server, server.last, 200, "late");
	server_run(&server);
	client_read(&clients[0]);
	CHECK(client_saw(&clients[0], "200"));
	client_close(&clients[2]);
	server_run(&server);
	CHECK_INT(server.events[HTTP_GONE], 1);
	CHECK_INT(http_connections(server.http), MANY - 1);
	client_close(&clients[3]);
	server_run(&server);
	CHECK_INT(http_connections(server.http), MANY - 2);
	/* Each has its deadline. */
	server.manual = false;
	server_sleep(&server, SECONDS(10));
	client_read(&clients[1]);
	CHECK(client_saw(&clients[1], "408 close"));
	client_read(&clients[6]);
	CHECK(client_saw(&clients[6], ""));
	server_sleep(&server, SECONDS(50));
	client_read(&clients[6]);
	CHECK(client_saw(&clients[6], "close"));
	client_read(&clients[5]);
	CHECK(client_saw(&clients[5], ""));
	for (size_t i = 0; i < MANY; i++)
		if (i != 2 && i != 3)
			client_close(&clients[i]);
	server_run(&server);
	CHECK_INT(http_connections(server.http), 0);
	server_close(&server);
}

TEST("a refused request is answered over TCP before the connection is reset by what is unread")
{
	static struct client client;
	static char more[300000];
	struct server server;

	server_open(&server);
	client_connect(&client, &server);
	memset(more, 'x', sizeof(more));
	CHECK(send(client.fd, "BAD\r\n", 5, MSG_NOSIGNAL) == 5);
	for (size_t at = 0; at < sizeof(more); at += 30000)
		CHECK(send(client.fd, more + at, 30000, MSG_NOSIGNAL) > 0);
	server_run(&server);
	client_read(&client);
	CHECK(client_saw(&client, "400 close"));
	CHECK(!client.reset);
	CHECK_INT(server.events[HTTP_BAD], 1);
	CHECK_INT(server.events[HTTP_DONE], 1);
	CHECK_INT(http_connections(server.http), 1);	/* it lingers */
	client_close(&client);
	server_run(&server);
	CHECK_INT(http_connections(server.http), 0);
	server_close(&server);
}

TEST("a lingering connection is closed after two seconds, or a megabyte")
{
	static struct client client;
	static char more[100000];
	struct server server;
	size_t total = 0;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, "BAD\r\n");
	server_sleep(&server, linger_ns - 1);
	CHECK_INT(http_connections(server.http), 1);
	server_sleep(&server, 1);
	CHECK_INT(http_connections(server.http), 0);
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, "BAD\r\n");
	while (http_connections(server.http) && total < 4 * LINGER_MAX) {
		ssize_t n = send(client.fd, more, sizeof(more), MSG_NOSIGNAL | MSG_DONTWAIT);

		total += n > 0 ? (size_t)n : 0;
		server_run(&server);
	}
	CHECK(total > LINGER_MAX && total < 2 * LINGER_MAX);
	client_close(&client);
	server_close(&server);
}

/* A head of `fields` fields, of which each has `size` bytes. */
static void client_head(struct client *client, struct server *server, const char *line,
    size_t fields, size_t size)
{
	struct buf text;

	buf_init(&text, 1 << 22);
	buf_puts(&text, line);
	buf_puts(&text, "\r\nHost: a\r\n");
	for (size_t i = 1; i < fields; i++)
		buf_printf(&text, "X%zu: %0*d\r\n", i, (int)size, 0);
	buf_puts(&text, "\r\n");
	client_send(client, server, text.data, text.len);
	buf_free(&text);
}

TEST("as many fields as there may be are taken, and one more is 431")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_head(&client, &server, "GET / HTTP/1.1", HTTP_FIELDS_MAX, 1);
	CHECK(client_saw(&client, "200"));
	client_head(&client, &server, "GET / HTTP/1.1", HTTP_FIELDS_MAX + 1, 1);
	CHECK(client_saw(&client, "200 431 close"));
	client_close(&client);
	server_close(&server);
}

TEST("a head is taken up to its last byte allowed, and one more is 431")
{
	static struct client client;
	static char head[8192 + 2];
	struct server server;

	for (int more = 0; more < 2; more++) {
		server_open(&server);
		client_open(&client, &server);
		memset(head, 'x', sizeof(head));
		memcpy(head, "GET / HTTP/1.1\r\nHost: a\r\nX:", 27);
		memcpy(head + 8192 + more - 4, "\r\n\r\n", 4);
		client_send(&client, &server, head, (size_t)(8192 + more));
		CHECK(client_saw(&client, more ? "431 close" : "200"));
		client_close(&client);
		server_close(&server);
	}
}

TEST("a target that is too long is 414")
{
	static struct client client;
	struct server server;
	struct buf text;

	for (int large = 0; large < 2; large++) {
		server_open_with(&server, (struct http_config){ .head_max = large ? 65536 : 1024 });
		client_open(&client, &server);
		buf_init(&text, 100000);
		buf_printf(&text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", large ? HTTP_LINE_MAX :
		    1024, 0);
		client_send(&client, &server, text.data, text.len);
		CHECK(client_saw(&client, "414 close"));
		buf_free(&text);
		client_close(&client);
		server_close(&server);
	}
}

TEST("chunk extensions and trailers are bounded")
{
	static struct client client;
	struct server server;
	struct buf text;

	server_open(&server);
	for (int i = 0; i < 5; i++) {
		static const char *const summaries[] = { "200", "400 close", "200", "431 close",
		    "431 close" };

		buf_init(&text, 100000);
		buf_puts(&text, CHUNKED);
		if (i < 2)	/* "0;" and CR LF belong to the line */
			buf_printf(&text, "0;%0*d\r\n\r\n", HTTP_CHUNK_LINE_MAX - 4 + i, 0);
		else if (i < 4)	/* "X:" and two line ends belong to the trailers */
			buf_printf(&text, "0\r\nX:%0*d\r\n\r\n", HTTP_TRAILERS_MAX - 6 + i - 2, 0);
		else
			buf_puts(&text, "0\r\n");
		for (int n = 0; i == 4 && n <= HTTP_FIELDS_MAX; n++)
			buf_puts(&text, "X:\r\n");
		client_open(&client, &server);
		client_send(&client, &server, text.data, text.len);
		CHECK(client_saw(&client, summaries[i]));
		client_close(&client);
		buf_free(&text);
	}
	server_close(&server);
}

TEST("the parts of a target and the fields are what was sent")
{
	static struct client client;
	struct server server;
	const struct http_request *request;
	size_t count;

	server_open(&server);
	client_connect(&client, &server);
	client_puts(&client, &server,
	    "PUT http://Ex.org:81/a%2fb?c=d?e HTTP/1.1\r\nhOST:ex.org:81\r\n"
	            "A: 1\r\na:  two words \r\n\r\n");
	CHECK(!strcmp(server.target, "PUT|/a%2fb|c=d?e|Ex.org:81"));
	server.manual = true;
	client_puts(&client, &server,
	    "GET / HTTP/1.1\r\nHost: b\r\nA: 1\r\na:  two words \r\nE:\r\n\r\n");
	request = http_request(server.http, server.last);
	CHECK(request != NULL);
	if (!request)
		return;
	CHECK_INT(request->method, HTTP_GET);
	CHECK(str_is(http_field(request, "a", &count), "1"));
	CHECK_INT(count, 2);
	CHECK(str_is(request->fields[2].value, "two words"));
	CHECK(str_is(http_field(request, "e", NULL), "") && http_field(request, "e", NULL).data);
	CHECK(!http_field(request, "f", &count).data && count == 0);
	CHECK(!request->has_body && !request->has_length);
	CHECK_INT(request->listener, 0);
	CHECK_INT(request->peer.ss_family, AF_INET);
	CHECK_INT(((const struct sockaddr_in *)(const void *)&request->peer)->sin_addr.s_addr,
	    htonl(INADDR_LOOPBACK));
	client_close(&client);
	server_close(&server);
}

TEST("who has connected a unix socket is known by uid, who has come by TCP is not")
{
	static struct client local, far;
	struct server server;

	server_open(&server);
	server.manual = true;
	client_open(&local, &server);
	client_puts(&local, &server, GET_LINE H "\r\n");
	CHECK_INT(http_request(server.http, server.last)->peer_uid, getuid());
	client_connect(&far, &server);
	client_puts(&far, &server, GET_LINE H "\r\n");
	CHECK_INT(http_request(server.http, server.last)->peer.ss_family, AF_INET);
	CHECK_INT(http_request(server.http, server.last)->peer_uid, UINT32_MAX);
	client_close(&local);
	client_close(&far);
	server_run(&server);
	server_close(&server);
}

TEST("a reply to HEAD has the length and no body, a 204 neither")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, "HEAD /now HTTP/1.1\r\n" H "\r\n");
	CHECK(strstr(client.seen, "Content-Length: 3\r\n") != NULL);
	CHECK(!strcmp(client.seen + client.len - 4, "\r\n\r\n"));
	CHECK_INT(server.sent, 0);
	client.len = 0;
	server.manual = true;
	client_puts(&client, &server, GET_LINE H "\r\n");
	answer(&server, server.last, 204, "ignored");
	server_run(&server);
	client_read(&client);
	CHECK(client_saw(&client, "204"));
	CHECK(!strstr(client.seen, "Content-Length") && !strstr(client.seen, "ignored"));
	client_puts(&client, &server, "HEAD / HTTP/1.1\r\n" H "\r\n");
	CHECK_INT(http_reply_begin(server.http, server.last, 200, NULL, NULL, 1000000), 0);
	for (int i = 0; i < 20; i++) {
		static const char piece[50000];

		CHECK_INT(http_reply_write(server.http, server.last, (struct str){ piece, 50000 }),
		    50000);
		server.events[HTTP_ROOM] = 0;
		server_run(&server);
		CHECK_INT(server.events[HTTP_ROOM], 1);
	}
	CHECK_INT(http_reply_write(server.http, server.last, STR("x")), -EMSGSIZE);
	CHECK_INT(http_reply_end(server.http, server.last), 0);
	server_run(&server);
	client_read(&client);
	CHECK(client_saw(&client, "204 200"));
	CHECK(strstr(client.seen, "Content-Length: 1000000\r\n") && client.len < 1000);
	client_close(&client);
	server_close(&server);
}

TEST("a reply has Date, its fields and its type")
{
	static struct client client;
	struct server server;
	struct buf body;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	buf_init(&body, 100);
	buf_puts(&body, "{}");
	CHECK_INT(http_reply(server.http, server.last, 201, "application/json", "Location: /x\r\n",
	    &body), 0);
	CHECK(body.data == NULL && body.len == 0);
	CHECK_INT(http_reply(server.http, server.last, 200, NULL, NULL, NULL), -EALREADY);
	CHECK_INT(http_busy(server.http), 1);
	server_run(&server);
	CHECK_INT(http_busy(server.http), 0);
	CHECK_INT(http_reply(server.http, server.last, 200, NULL, NULL, NULL), -ESTALE);
	client_read(&client);
	CHECK(!strncmp(client.seen, "HTTP/1.1 201 Created\r\nDate: ", 28));
	CHECK(!strncmp(client.seen + 28 + 25,
	    " GMT\r\nContent-Type: application/json\r\nLocation: /x\r\n"
	               "Content-Length: 2\r\n\r\n{}", 74));
	CHECK(!strcmp(http_status_text(404), "Not Found"));
	client_close(&client);
	server_close(&server);
}

TEST("100 Continue is sent once, when the body is wanted and has not come")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server,
	    POST_HEAD "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	CHECK(client_saw(&client, "100"));
	client_puts(&client, &server, "a");
	client_puts(&client, &server, "bc");
	CHECK(client_saw(&client, "100 200"));
	client.len = 0;
	client_puts(&client, &server,
	    POST_HEAD "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
	CHECK(client_saw(&client, "200"));
	client.len = 0;		/* refused unread: nobody knows whether the body comes */
	client_puts(&client, &server, "POST /now HTTP/1.1\r\n"
	    H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	CHECK(client_saw(&client, "200 close"));
	CHECK(strstr(client.seen, "Connection: close\r\n") != NULL);
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server,
	    POST_HEAD "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
	CHECK(client_saw(&client, "413 close"));
	client_close(&client);
	server_close(&server);
}

TEST("a short body that nobody asked for is skipped, a long one closes the connection")
{
	static struct client client;
	static char body[SKIP_MAX + 1];
	struct server server;

	server_open(&server);
	for (int chunked = 0; chunked < 2; chunked++) {
		for (size_t more = 0; more < 2; more++) {
			size_t len = chunked ? SKIP_MAX - 100 + more * 101 : SKIP_MAX + more;
			char head[128];

			client_open(&client, &server);
			snprintf(head, sizeof(head), chunked ? "POST /now HTTP/1.1\r\n" H
			         "Transfer-Encoding: chunked\r\n\r\n%zx\r\n" :
			         "POST /now HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", len);
			client_puts(&client, &server, head);
			client_send(&client, &server, body, len);
			if (chunked)
				client_puts(&client, &server, "\r\n0\r\n\r\n");
			client_puts(&client, &server, GET_LINE H "\r\n");
			CHECK(client_saw(&client, more ? "200 close" : "200 200"));
			client_close(&client);
		}
	}
	client_open(&client, &server);		/* all of it in one packet */
	client_puts(&client, &server, "POST /now HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
	            "POST /now HTTP/1.1\r\n"
	            H "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
	            GET_LINE H "\r\n");
	CHECK(client_saw(&client, "200 200 200"));
	client_close(&client);
	server_run(&server);
	CHECK_INT(http_connections(server.http), 0);
	server_close(&server);
}

TEST("a skipped body that pauses, ends or is malformed closes without a second reply")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, "POST /now HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nx");
	server_sleep(&server, SECONDS(30));
	client_read(&client);
	CHECK(client_saw(&client, "200 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, "POST /now HTTP/1.1\r\n"
	    H "Transfer-Encoding: chunked\r\n\r\n3\r\n");
	client_puts(&client, &server, "abcdef");
	CHECK(client_saw(&client, "200 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, "POST /now HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nx");
	CHECK(!shutdown(client.fd, SHUT_WR));
	client_puts(&client, &server, "");
	CHECK(client_saw(&client, "200 close"));
	client_close(&client);
	server_run(&server);
	CHECK_INT(http_connections(server.http), 0);
	server_close(&server);
}

TEST("pipelined requests are handed out one at a time")
{
	static struct client client;
	struct server server;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n");
	CHECK_INT(server.events[HTTP_REQUEST], 1);
	answer(&server, server.last, 200, "");
	server_run(&server);
	CHECK_INT(server.events[HTTP_REQUEST], 2);
	CHECK_INT(server.events[HTTP_DONE], 1);
	CHECK(!strcmp(server.target, "GET|/2||a"));
	answer(&server, server.last, 200, "");
	server_run(&server);
	CHECK_INT(server.events[HTTP_DONE], 2);
	client_read(&client);
	CHECK(client_saw(&client, "200 200"));
	client_close(&client);
	server_close(&server);
}

TEST("a stale name does nothing and says so")
{
	static struct client client;
	struct server server;
	struct http_client stale;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	stale = server.last;
	server.manual = true;
	client_puts(&client, &server, POST_HEAD "Content-Length: 1\r\n\r\n");
	CHECK_INT(stale.slot, server.last.slot);
	for (int i = 0; i < 3; i++) {
		CHECK(!http_request(server.http, stale));
		CHECK_INT(http_body_keep(server.http, stale), -ESTALE);
		CHECK_INT(http_body_stream(server.http, stale), -ESTALE);
		CHECK_INT(http_body(server.http, stale).len, 0);
		CHECK(!http_body_ended(server.http, stale));
		http_body_consume(server.http, stale, 1);
		http_body_drop(server.http, stale);
		CHECK_INT(http_reply(server.http, stale, 200, NULL, NULL, NULL), -ESTALE);
		CHECK_INT(http_reply_begin(server.http, stale, 200, NULL, NULL, 0), -ESTALE);
		CHECK_INT(http_reply_room(server.http, stale), 0);
		CHECK_INT(http_reply_write(server.http, stale, STR("x")), -ESTALE);
		CHECK_INT(http_reply_end(server.http, stale), -ESTALE);
		http_cut(server.http, stale);
		stale = i ? (struct http_client){ 0, 0 } : (struct http_client){ UINT32_MAX, 1 };
	}
	CHECK(http_request(server.http, server.last) != NULL);
	CHECK_INT(http_connections(server.http), 1);
	client_close(&client);
	server_close(&server);
}

TEST("a client that disconnects is gone exactly once, also with pipelined bytes unread")
{
	static struct client client;
	static char junk[60000];
	struct server server;

	server_open(&server);
	for (int tcp = 0; tcp < 2; tcp++) {
		for (int more = 0; more < 2; more++) {
			memset(server.events, 0, sizeof(server.events));
			if (tcp)
				client_connect(&client, &server);
			else
				client_open(&client, &server);
			client_puts(&client, &server, "GET /hang HTTP/1.1\r\n" H "\r\n");
			if (more)
				CHECK(send(client.fd, junk, sizeof(junk), MSG_NOSIGNAL) > 0);
			server_run(&server);
			CHECK_INT(server.events[HTTP_GONE], 0);
			client_close(&client);
			server_run(&server);
			CHECK_INT(server.events[HTTP_GONE], 1);
			CHECK_INT(server.events[HTTP_DONE], 0);
			CHECK_INT(http_connections(server.http), 0);
			CHECK_INT(http_busy(server.http), 0);
			CHECK_INT(http_reply(server.http, server.last, 200, NULL, NULL, NULL),
			    -ESTALE);
		}
	}
	server_close(&server);
}

TEST("a client that leaves in its body is gone, one that leaves in its head was never there")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD "Content-Length: 10\r\n\r\nabc");
	client_close(&client);
	server_run(&server);
	CHECK_INT(server.events[HTTP_GONE], 1);
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD);
	client_close(&client);
	server_run(&server);
	CHECK_INT(server.events[HTTP_GONE], 1);
	CHECK_INT(http_connections(server.http), 0);
	CHECK_INT(server.http->bodies, 0);
	server_close(&server);
}

TEST("a client that ends its side with the request still gets a reply that is there at once")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_connect(&client, &server);
	CHECK(send(client.fd, LITERAL(GET_LINE H "\r\n"), MSG_NOSIGNAL) > 0);
	CHECK(!shutdown(client.fd, SHUT_WR));
	client_puts(&client, &server, "");
	CHECK(client_saw(&client, "200 close"));
	CHECK(!client.reset);
	client_close(&client);
	server_close(&server);
}

TEST("a slow head is 408, an idle connection is closed without a word")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, "GET / ");
	server_sleep(&server, SECONDS(9));
	client_puts(&client, &server, "HTTP/1.1\r\n");
	server_sleep(&server, SECONDS(1) - 1);
	client_read(&client);
	CHECK(client_saw(&client, ""));
	server_sleep(&server, 1);
	client_read(&client);
	CHECK(client_saw(&client, "408 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	server_sleep(&server, SECONDS(60) - 1);
	client_read(&client);
	CHECK(client_saw(&client, "200"));
	server_sleep(&server, 1);
	client_read(&client);
	CHECK(client_saw(&client, "200 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, "\r\n");
	server_sleep(&server, SECONDS(10));
	client_read(&client);
	CHECK(client_saw(&client, "close"));
	client_close(&client);
	client_open(&client, &server);
	server_sleep(&server, SECONDS(60) - 1);
	client_read(&client);
	CHECK(client_saw(&client, ""));
	server_sleep(&server, 1);
	client_read(&client);
	CHECK(client_saw(&client, "close"));
	client_close(&client);
	server_close(&server);
}

TEST("a body that pauses is 408, one that trickles is taken")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD "Content-Length: 4\r\n\r\n");
	for (int i = 0; i < 3; i++) {
		server_sleep(&server, SECONDS(29));
		client_puts(&client, &server, "x");
	}
	CHECK(client_saw(&client, ""));
	server_sleep(&server, SECONDS(30));
	client_read(&client);
	CHECK(client_saw(&client, "408 close"));
	CHECK_INT(server.events[HTTP_BAD], 1);
	CHECK_INT(server.events[HTTP_DONE], 1);
	client_close(&client);
	server_close(&server);
}

TEST("a client that does not read its reply is cut after a pause")
{
	static struct client client;
	struct server server;
	struct buf body;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	buf_init(&body, 1 << 24);
	CHECK_INT(buf_reserve(&body, 1 << 23), 0);
	body.len = 1 << 23;
	memset(body.data, 'x', body.len);
	CHECK_INT(http_reply(server.http, server.last, 200, NULL, NULL, &body), 0);
	server_sleep(&server, SECONDS(29));
	for (int i = 0; i < 4; i++) {	/* it reads a little: that counts */
		client.len = 0;
		client_read(&client);
	}
	server_sleep(&server, SECONDS(29));
	CHECK_INT(server.events[HTTP_GONE], 0);
	server_sleep(&server, SECONDS(30));
	CHECK_INT(server.events[HTTP_GONE], 1);
	CHECK_INT(server.events[HTTP_DONE], 0);
	CHECK(server.sent > 0 && server.sent < 1 << 23);
	CHECK_INT(http_connections(server.http), 0);
	client_close(&client);
	server_close(&server);
}

TEST("a caller that is slow is no fault of the client")
{
	static struct client client;
	struct server server;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	server_sleep(&server, SECONDS(3600));
	answer(&server, server.last, 200, "");
	server_run(&server);
	client_read(&client);
	CHECK(client_saw(&client, "200"));
	client_close(&client);
	server_close(&server);
}

/* The address sanitizer keeps what is freed for a while. */
#if defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif
#else
static const bool sanitized = false;
#endif

static size_t resident(void)
{
	size_t pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%*s %zu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

TEST("a hundred megabytes pass through in bounded memory, and in order")
{
	enum { TOTAL = 100 << 20, PIECE = 60000 };
	static char piece[PIECE], back[1 << 16];
	struct server server;
	size_t given = 0, got = 0, before;
	struct buf head;
	bool ended = false;
	char last[8] = "";
	int fd;

	server_open(&server);
	fd = tcp_connect(&server);
	for (size_t i = 0; i < PIECE; i++)
		piece[i] = (char)('a' + i % 26);
	buf_init(&head, 1000);
	buf_printf(&head, "POST /stream HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", TOTAL);
	CHECK(send(fd, head.data, head.len, MSG_NOSIGNAL) == (ssize_t)head.len);
	buf_free(&head);
	before = resident();
	for (int n = 0; !ended && n < 1000000; n++) {
		ssize_t result;

		if (given < TOTAL) {
			size_t size = PIECE - given % PIECE;

			if (size > TOTAL - given)
				size = TOTAL - given;
			result = send(fd, piece + given % PIECE, size, MSG_NOSIGNAL | MSG_DONTWAIT);
			given += result > 0 ? (size_t)result : 0;
		}
		server_round(&server);
		if (n % 1000 == 0 && resident() > before + server.peak)
			server.peak = resident() - before;
		if (n < 2000 && given < TOTAL)
			continue;	/* the client does not read: nothing may pile up */
		if (n == 2000)
			CHECK(server.passed < 16 << 20);
		while ((result = recv(fd, back, sizeof(back), MSG_DONTWAIT)) > 0) {
			got += (size_t)result;
			if (result >= 5)
				memcpy(last, back + result - 5, 5);
		}
		ended = result == 0 || !strcmp(last, "0\r\n\r\n");
	}
	CHECK_INT(given, TOTAL);
	CHECK_INT(server.passed, TOTAL);
	CHECK(got > TOTAL && got < TOTAL + TOTAL / 50);
	CHECK_INT(server.sent, TOTAL);
	CHECK_INT(server.events[HTTP_DONE], 1);
	CHECK(server.peak < 2 << 20);
	printf("# memory grew by %zu KiB, %d rounds\n", server.peak >> 10, server.rounds);
	close(fd);
	server_close(&server);
}

TEST("what is streamed both ways in chunks comes back byte for byte")
{
	static struct client client;
	struct server server;
	struct buf text, plain;
	const char *at;
	unsigned seed = 1;

	server_open(&server);
	client_connect(&client, &server);
	buf_init(&text, 1 << 20);
	buf_init(&plain, 1 << 20);
	buf_puts(&text, "POST /stream HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
	while (plain.len < 40000) {
		seed = seed * 1103515245 + 12345;
		buf_printf(&text, "%x\r\n", 1 + (seed >> 16) % 3000);
		for (unsigned n = 1 + (seed >> 16) % 3000; n > 0; n--) {
			buf_putc(&text, (char)('!' + plain.len % 90));
			buf_putc(&plain, (char)('!' + plain.len % 90));
		}
		buf_puts(&text, "\r\n");
	}
	buf_puts(&text, "0\r\n\r\n");
	client_send(&client, &server, text.data, text.len);
	text.len = 0;
	at = strstr(client.seen, "\r\n\r\n");
	CHECK(at != NULL);
	for (at = at ? at + 4 : "0"; strtoul(at, NULL, 16) > 0;) {
		size_t n = strtoul(at, NULL, 16);

		at = strstr(at, "\r\n") + 2;
		buf_append(&text, at, n);
		at += n + 2;
	}
	CHECK(str_eq(buf_str(&text), buf_str(&plain)));
	CHECK(!strcmp(at, "0\r\n\r\n"));
	buf_free(&text);
	buf_free(&plain);
	client_close(&client);
	server_close(&server);
}

TEST("a streamed body that is not consumed holds the client back, and no deadline runs")
{
	static struct client client;
	static char data[10 << 20];
	struct server server;
	ssize_t n;
	size_t total = 0;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, "POST /x HTTP/1.1\r\n" H "Content-Length: 10485760\r\n\r\n");
	CHECK_INT(http_body_stream(server.http, server.last), 0);
	while ((n = send(client.fd, data, sizeof(data) - total, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
		total += (size_t)n;
		server_run(&server);
	}
	CHECK(total < 4 << 20);
	CHECK_INT(server.events[HTTP_CHUNK], 1);
	CHECK(http_body(server.http, server.last).len <= PIECE_MAX);
	server_sleep(&server, SECONDS(1000));
	CHECK_INT(server.events[HTTP_BAD], 0);
	http_body_consume(server.http, server.last, 1);
	server_run(&server);
	CHECK_INT(server.events[HTTP_CHUNK], 1);
	http_body_consume(server.http, server.last, http_body(server.http, server.last).len);
	server_run(&server);
	CHECK_INT(server.events[HTTP_CHUNK], 2);
	CHECK(!http_body_ended(server.http, server.last));
	client_close(&client);
	server_close(&server);
}

TEST("a streamed body has ended when its last byte is consumed, and that is told once")
{
	static struct client client;
	struct server server;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD "Content-Length: 3\r\n\r\nabc");
	CHECK_INT(http_body_stream(server.http, server.last), 0);
	server_run(&server);
	CHECK_INT(server.events[HTTP_CHUNK], 1);
	CHECK(str_is(http_body(server.http, server.last), "abc"));
	CHECK(!http_body_ended(server.http, server.last));
	http_body_consume(server.http, server.last, 3);
	server_run(&server);
	CHECK_INT(server.events[HTTP_CHUNK], 2);
	CHECK(http_body_ended(server.http, server.last));
	answer(&server, server.last, 200, "");
	server_run(&server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	CHECK_INT(http_body_stream(server.http, server.last), 0);
	CHECK(http_body_ended(server.http, server.last));
	server_run(&server);
	CHECK_INT(server.events[HTTP_CHUNK], 2);
	client_close(&client);
	server_close(&server);
}

TEST("a reply that falls short of its length, or is cut, is broken and not short")
{
	static struct client client;
	struct server server;

	for (int how = 0; how < 3; how++) {
		server_open(&server);
		server.manual = true;
		client_connect(&client, &server);
		client_puts(&client, &server, how == 2 ? "GET / HTTP/1.0\r\n\r\n" :
		    GET_LINE H "\r\n");
		CHECK_INT(http_reply_begin(server.http, server.last, 200, NULL, NULL, how ? -1 :
		    10), 0);
		server_run(&server);
		CHECK_INT(http_reply_write(server.http, server.last, STR("abc")), 3);
		server_run(&server);
		client_read(&client);
		CHECK(strstr(client.seen, "abc") && !client.closed);
		if (how)
			http_cut(server.http, server.last);
		else
			CHECK_INT(http_reply_end(server.http, server.last), 0);
		CHECK_INT(http_reply_write(server.http, server.last, STR("d")), -ESTALE);
		server_run(&server);
		client_read(&client);
		CHECK(client.reset && !strstr(client.seen, "\r\n0\r\n"));
		CHECK_INT(server.events[HTTP_GONE], 1);
		CHECK_INT(server.events[HTTP_DONE], 0);
		CHECK_INT(server.sent, 3);
		client_close(&client);
		server_close(&server);
	}
}

TEST("a reply of unknown length is chunked, to HTTP/1.0 it ends with the connection")
{
	static struct client client;
	struct server server;

	for (int old = 0; old < 2; old++) {
		server_open(&server);
		server.manual = true;
		client_open(&client, &server);
		client_puts(&client, &server, old ?
		    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" :
		            GET_LINE H "\r\n");
		CHECK_INT(http_reply_begin(server.http, server.last, 200, NULL, NULL, -1), 0);
		CHECK_INT(http_reply_write(server.http, server.last, STR("abc")), 3);
		CHECK_INT(http_reply_write(server.http, server.last, STR("")), 0);
		CHECK_INT(http_reply_end(server.http, server.last), 0);
		server_run(&server);
		client_read(&client);
		CHECK(strstr(client.seen, old ? "\r\n\r\nabc" :
		    "\r\n\r\n3\r\nabc\r\n0\r\n\r\n") != NULL);
		CHECK(client_saw(&client, old ? "200 close" : "200"));
		CHECK((strstr(client.seen, "Transfer-Encoding") == NULL) == (old != 0));
		client_close(&client);
		server_close(&server);
	}
}

TEST("a bad chunk after the reply has begun breaks the reply")
{
	static struct client client;
	struct server server;

	server_open(&server);
	client_connect(&client, &server);
	client_puts(&client, &server, "POST /stream HTTP/1.1\r\n"
	    H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	CHECK(client_saw(&client, "200"));
	client_puts(&client, &server, "x");
	CHECK(client.reset);
	CHECK_INT(server.events[HTTP_BAD], 0);
	CHECK_INT(server.events[HTTP_GONE], 1);
	client_close(&client);
	server_close(&server);
}

TEST("a body over the limit is 413, announced or not, and all bodies together have a limit")
{
	static struct client client, other;
	static char body[3000];
	struct server server;

	server_open_with(&server, (struct http_config){ .body_max = 2000, .bodies_max = 3000 });
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD "Content-Length: 2001\r\n\r\n");
	CHECK(client_saw(&client, "413 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, CHUNKED "7d0\r\n");
	client_send(&client, &server, body, 2000);
	client_puts(&client, &server, "\r\n1\r\n");
	CHECK(client_saw(&client, "413 close"));
	client_close(&client);
	client_open(&client, &server);
	client_puts(&client, &server, POST_HEAD "Content-Length: 2000\r\n\r\n");
	CHECK_INT(server.http->bodies, 0);	/* announced is not come */
	client_send(&client, &server, body, 1900);
	CHECK(server.http->bodies >= 1900);
	client_open(&other, &server);
	client_puts(&other, &server, POST_HEAD "Content-Length: 2000\r\n\r\n");
	CHECK(client_saw(&other, "503 close"));
	client_close(&other);
	client_open(&other, &server);
	client_puts(&other, &server, CHUNKED "7d0\r\n");
	client_send(&other, &server, body, 2000);
	CHECK(client_saw(&other, "503 close"));
	client_close(&other);
	client_send(&client, &server, body, 100);
	CHECK(client_saw(&client, "200"));
	CHECK_INT(server.http->bodies, 0);
	client_close(&client);
	server_close(&server);
}

TEST("a large body is kept whole")
{
	static struct client client;
	static char body[5 << 20];
	struct server server;

	server_open(&server);
	for (int chunked = 0; chunked < 2; chunked++) {
		client_connect(&client, &server);
		client_puts(&client, &server, chunked ? CHUNKED "500000\r\n" :
		            POST_HEAD "Content-Length: 5242880\r\n\r\n");
		client_send(&client, &server, body, sizeof(body));
		if (chunked)
			client_puts(&client, &server, "\r\n0\r\n\r\n");
		CHECK(client_saw(&client, "200"));
		CHECK_INT(server.body_len, sizeof(body));
		CHECK_INT(server.http->bodies, 0);
		client_close(&client);
	}
	server_close(&server);
}

TEST("with all slots taken the connection that has been idle longest makes room")
{
	struct client *clients = calloc(6, sizeof(*clients));
	struct server server;

	server_open_with(&server, (struct http_config){ .connections_max = 4 });
	for (size_t i = 0; i < 4; i++) {
		client_connect(&clients[i], &server);
		server.now++;
	}
	client_puts(&clients[0], &server, "GET /hang HTTP/1.1\r\n" H "\r\n");
	/* idle again, but later than 2 and 3 */
	client_puts(&clients[1], &server, GET_LINE H "\r\n");
	client_connect(&clients[4], &server);
	CHECK_INT(http_connections(server.http), 4);
	for (size_t i = 0; i < 5; i++) {
		client_read(&clients[i]);
		CHECK_INT(clients[i].closed, i == 2);
	}
	client_connect(&clients[5], &server);
	for (size_t i = 0; i < 6; i++) {
		client_read(&clients[i]);
		CHECK_INT(clients[i].closed, i == 2 || i == 3);
	}
	client_puts(&clients[5], &server, GET_LINE H "\r\n");
	CHECK(client_saw(&clients[5], "200"));
	for (size_t i = 0; i < 6; i++)
		client_close(&clients[i]);
	server_close(&server);
	free(clients);
}

TEST("with every connection busy a new one waits in the kernel's queue, and the loop does not spin")
{
	static struct client first, second;
	struct server server;

	server_open_with(&server, (struct http_config){ .connections_max = 1 });
	client_connect(&first, &server);
	client_puts(&first, &server, "GET /hang HTTP/1.1\r\n" H "\r\n");
	client_connect(&second, &server);
	client_puts(&second, &server, GET_LINE H "\r\n");
	CHECK_INT(server_round(&server), 0);
	CHECK(client_saw(&second, ""));
	client_close(&first);
	client_puts(&second, &server, "");
	CHECK(client_saw(&second, "200"));
	client_close(&second);
	server_close(&server);
}

TEST("slow heads in every slot make room for a request that comes")
{
	struct client *clients = calloc(5, sizeof(*clients));
	struct server server;

	server_open_with(&server, (struct http_config){ .connections_max = 4 });
	for (size_t i = 0; i < 4; i++) {
		client_connect(&clients[i], &server);
		client_puts(&clients[i], &server, "G");
	}
	client_connect(&clients[4], &server);
	client_puts(&clients[4], &server, GET_LINE H "\r\n");
	CHECK(client_saw(&clients[4], "200"));
	client_read(&clients[0]);
	CHECK(clients[0].closed);
	for (size_t i = 0; i < 5; i++)
		client_close(&clients[i]);
	server_close(&server);
	free(clients);
}

TEST("without a free descriptor an idle connection makes room, else accepting pauses")
{
	static struct client first, second, third;
	struct rlimit limit, small;
	struct server server;

	server_open(&server);
	client_connect(&first, &server);
	first.len = 0;
	second.fd = tcp_connect(&server);
	third.fd = tcp_connect(&server);
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	small = limit;
	small.rlim_cur = (rlim_t)third.fd + 1;	/* every number below is taken */
	CHECK(!setrlimit(RLIMIT_NOFILE, &small));
	server_round(&server);		/* second evicts first, and third second */
	client_read(&first);
	CHECK(first.closed);
	CHECK_INT(http_connections(server.http), 1);
	client_puts(&third, &server, "GET /hang HTTP/1.1\r\n" H "\r\n");
	close(second.fd);
	second.fd = tcp_connect(&server);
	CHECK(second.fd >= 0);
	server_round(&server);
	CHECK_INT(server_round(&server), 0);	/* the listener is readable, and not asked */
	CHECK(server.wait.deadline <= server.now + accept_pause_ns);
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_INT(server_round(&server), 0);
	server.now += accept_pause_ns;
	client_puts(&second, &server, GET_LINE H "\r\n");
	CHECK(client_saw(&second, "200"));
	client_close(&first);
	client_close(&second);
	client_close(&third);
	server_close(&server);
}

TEST("draining closes what is idle at once and the rest after its reply")
{
	static struct client idle, busy;
	struct server server;
	struct http_client name;

	server_open(&server);
	client_connect(&busy, &server);
	client_puts(&busy, &server, "GET /hang HTTP/1.1\r\n" H "\r\n");
	name = server.last;
	client_connect(&idle, &server);
	http_drain(server.http);
	client_read(&idle);
	CHECK(idle.closed);
	CHECK_INT(tcp_connect(&server), -1);
	CHECK_INT(http_busy(server.http), 1);
	answer(&server, name, 200, "bye");
	server_run(&server);
	client_read(&busy);
	CHECK(client_saw(&busy, "200 close"));
	CHECK(strstr(busy.seen, "Connection: close\r\n") != NULL);
	CHECK_INT(http_busy(server.http), 0);
	client_close(&idle);
	client_close(&busy);
	server_close(&server);
}

TEST("an event that is not read yet does not let the poll sleep")
{
	static struct client client;
	struct server server;

	server_open(&server);
	server.manual = true;
	client_open(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n" GET_LINE H "\r\n");
	answer(&server, server.last, 200, "");
	wait_begin(&server.wait);
	http_wait(server.http, &server.wait);
	CHECK(server.wait.deadline <= server.wait.now);
	client_close(&client);
	server_close(&server);
}

TEST("ten thousand idle connections cost little memory, and one among them is served")
{
	enum { WANTED = 9900 };
	struct rlimit limit, all;
	struct server server;
	static struct client client;
	int *fds = calloc(WANTED, sizeof(*fds));
	size_t n = 0, most, before, after, grown;

	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	all = limit;
	all.rlim_cur = all.rlim_max;
	CHECK(!setrlimit(RLIMIT_NOFILE, &all));
	most = all.rlim_cur / 2 > WANTED + 50 ? WANTED : (size_t)all.rlim_cur / 2 - 50;
	server_open_with(&server, (struct http_config){ .connections_max = 10000 });
	before = resident();
	while (n < most) {
		fds[n] = tcp_connect(&server);
		if (fds[n] < 0)
			break;
		/* each has had a request: what that took must be given back */
		CHECK(send(fds[n], LITERAL(GET_LINE H "\r\n"), MSG_NOSIGNAL) > 0);
		if (++n % 500 == 0)
			server_run(&server);
	}
	server_run(&server);
	server_run(&server);
	CHECK_INT(http_connections(server.http), n);
	CHECK_INT(server.events[HTTP_DONE], n);
	after = resident();
	grown = n > 0 && after > before ? (after - before) / n : 0;
	printf("# %zu connections, %zu bytes each\n", n, grown);
	CHECK(n > 100 && (sanitized || grown < 1024));
	client_connect(&client, &server);
	client_puts(&client, &server, GET_LINE H "\r\n");
	CHECK(client_saw(&client, "200"));
	client_close(&client);
	server_sleep(&server, SECONDS(60));
	CHECK_INT(http_connections(server.http), 0);
	while (n > 0)
		close(fds[--n]);
	free(fds);
	server_close(&server);
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
}

TEST("percent-encoding is decoded strictly")
{
	struct buf out;

	buf_init(&out, 100);
	CHECK_INT(http_decode(&out, STR("a%20%2F+%c3%A9")), 0);
	CHECK(str_is(buf_str(&out), "a /+\xc3\xa9"));
	out.len = 0;
	CHECK_INT(http_decode(&out, STR("%")), -EINVAL);
	CHECK_INT(http_decode(&out, STR("%a")), -EINVAL);
	CHECK_INT(http_decode(&out, STR("x%ag")), -EINVAL);
	CHECK_INT(http_decode(&out, STR("%00")), 0);
	CHECK_INT(out.len, 1);
	buf_free(&out);
	buf_init(&out, 2);
	CHECK_INT(http_decode(&out, STR("abc")), -ENOSPC);
	buf_free(&out);
}

TEST_MAIN()
