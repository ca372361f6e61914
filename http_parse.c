/* http_parse.c - the syntax of HTTP/1.1 (RFC 9110, RFC 9112, RFC 3986)
 *
 * What strangers send is read here, so this room knows bytes and nothing else: no socket, no clock,
 * no memory of its own. It is strict wherever two readers of one message could disagree about where
 * it ends: the next one in the connection would then be somebody else's (request smuggling). So
 * every line ends by CR LF and by nothing else, a length is digits and comes once, the only
 * transfer coding is `chunked`, and never beside a length.
 *
 * Where the RFCs leave a choice:
 * - one empty line before a request line is skipped (RFC 9112, 2.2), a second is refused;
 * - an absolute-form target is taken when it is `http://` and its authority is the same text as
 *   Host (case ignored), so that nobody can mean two hosts with one request; authority-form is
 *   refused, as is `*` but for OPTIONS;
 * - a byte that RFC 3986 does not allow in a path or a query has to be percent-encoded;
 * - versions other than 1.0 and 1.1 are refused: there are none. */
#include "http_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* In this file's lists short texts lie one behind the other, an empty one at the end: a pointer to each costs more. */

/* First ours, in the order of enum http_method; then the rest of IANA's registry. PRI is the preface of HTTP/2 and no method. */
static const char methods[] =
	"GET\0" "HEAD\0" "POST\0" "PUT\0" "DELETE\0" "OPTIONS\0" "ACL\0" "BASELINE-CONTROL\0"
	"BIND\0" "CHECKIN\0" "CHECKOUT\0" "CONNECT\0" "COPY\0" "LABEL\0" "LINK\0" "LOCK\0"
	"MERGE\0" "MKACTIVITY\0" "MKCALENDAR\0" "MKCOL\0" "MKREDIRECTREF\0" "MKWORKSPACE\0"
	"MOVE\0" "ORDERPATCH\0" "PATCH\0" "PROPFIND\0" "PROPPATCH\0" "QUERY\0" "REBIND\0"
	"REPORT\0" "SEARCH\0" "TRACE\0" "UNBIND\0" "UNCHECKOUT\0" "UNLINK\0" "UNLOCK\0"
	"UPDATE\0" "UPDATEREDIRECTREF\0" "VERSION-CONTROL\0";

/* Each behind its number of three digits: those that the server sends. */
static const char statuses[] =
	"200OK\0" "201Created\0" "204No Content\0" "206Partial Content\0" "304Not Modified\0"
	"400Bad Request\0" "401Unauthorized\0" "403Forbidden\0" "404Not Found\0"
	"405Method Not Allowed\0" "408Request Timeout\0" "411Length Required\0"
	"413Content Too Large\0" "414URI Too Long\0" "415Unsupported Media Type\0"
	"416Range Not Satisfiable\0" "417Expectation Failed\0" "429Too Many Requests\0"
	"431Request Header Fields Too Large\0" "500Internal Server Error\0" "501Not Implemented\0"
	"503Service Unavailable\0" "505HTTP Version Not Supported\0" "507Insufficient Storage\0";

/* Codings that are real but not offered here; anything else in their place is an error of
 * syntax. */
static const char codings[][11] = { "gzip", "x-gzip", "compress", "x-compress", "deflate" };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A byte that no line of a message may have in it. */
static bool is_control(char c)
{
	unsigned char byte = (unsigned char)c;

	return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* RFC 9110, 5.6.2 */
static bool is_token_byte(char c)
{
	switch (c) {
	case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+':
	case '-': case '.': case '^': case '_': case '`': case '|': case '~':
		return true;
	default:
		return byte_is_alnum(c);
	}
}

/* RFC 3986: what a registered name may be made of, and, with ':', '@', '/' and '?', a path and a
 * query. A '%' has to be followed by two hexadecimal digits, which is checked elsewhere. */
static bool is_name_byte(char c)
{
	switch (c) {
	case '-': case '.': case '_': case '~': case '!': case '$': case '&': case '\'':
	case '(': case ')': case '*': case '+': case ',': case ';': case '=': case '%':
		return true;
	default:
		return byte_is_alnum(c);
	}
}

static bool is_target_byte(char c)
{
	return is_name_byte(c) || c == ':' || c == '@' || c == '/' || c == '?';
}

static bool is_token(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_token_byte(text.data[i]))
			return false;
	return text.len > 0;
}

static bool escapes_valid(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '%' && (text.len - i < 3 ||
		    byte_hex(text.data[i + 1]) < 0 || byte_hex(text.data[i + 2]) < 0))
			return false;
	return true;
}

/* Up to the first `separator`, which is dropped; text keeps what follows. False when there is none:
 * text is then as it was. */
static bool cut(struct str *text, const char *separator, struct str *part)
{
	struct str found = str_until(*text, separator);

	if (found.len == text->len)
		return false;
	*part = found;
	*text = str_skip(*text, found.len + 1);
	return true;
}

static struct str trim(struct str text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = str_skip(text, 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* What reads a part returns NULL where it is good, else the reason, with a status before it that is not 400. */

static int status_of(const char **reason)
{
	int status = 400;

	if (is_digit(**reason)) {
		status = (int)text_number(reason);
		++*reason;
	}
	return status;
}

/* No reason: the head is at its end. */
static const char end_of_head[] = "";

/* RFC 3986, 3.2.2: host [ ":" port ]. A host of http is never empty (RFC 9110, 4.2.1). */
static bool host_valid(struct str host)
{
	struct str name = host, port = { NULL, 0 };
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	uint64_t number;

	if (host.len > 0 && host.data[0] == '[') {
		name = str_skip(host, 1);
		port = name;
		if (!cut(&port, "]", &name) || name.len == 0 || name.len >= sizeof(address))
			return false;
		memcpy(address, name.data, name.len);
		address[name.len] = '\0';
		if (str_has_nul(name) || inet_pton(AF_INET6, address, &ignored) != 1)
			return false;
		if (port.len > 0 && port.data[0] != ':')
			return false;
		if (port.len > 0)
			port = str_skip(port, 1);
	} else {
		if (cut(&host, ":", &name))
			port = host;
		for (size_t i = 0; i < name.len; i++)
			if (!is_name_byte(name.data[i]))
				return false;
		if (name.len == 0 || !escapes_valid(name))
			return false;
	}
	return port.len == 0 || str_to_u64(port, UINT16_MAX, &number) == 0;
}

/* Request line */

static const char *read_version(struct http_head *head, struct str version)
{
	if (version.len != 8 || !str_begins(version, "HTTP/") || !is_digit(version.data[5]) ||
	    version.data[6] != '.' || !is_digit(version.data[7]))
		return "request line: no HTTP version at its end";
	if (version.data[5] != '1' || version.data[7] > '1')
		return "505 request line: the version is neither HTTP/1.0 nor HTTP/1.1";
	head->http_1_0 = version.data[7] == '0';
	return NULL;
}

static const char *read_method(struct http_head *head, struct str method)
{
	head->request.method_text = method;
	head->request.method = HTTP_GET;
	for (const char *name = methods; *name; name += strlen(name) + 1) {
		if (str_is(method, name))
			return NULL;
		if (head->request.method < HTTP_OTHER)
			head->request.method++;
	}
	return "501 method: not known";
}

static const char *read_target(struct http_head *head, struct str target)
{
	static const char scheme[] = "http://";
	const size_t scheme_len = sizeof(scheme) - 1;
	struct http_request *request = &head->request;
	struct str path = target, before;

	if (request->method == HTTP_OPTIONS && str_is(target, "*")) {
		request->path = target;
		return NULL;
	}
	for (size_t i = 0; i < target.len; i++)
		if (!is_target_byte(target.data[i]) && target.data[i] != '[' &&
		    target.data[i] != ']')
			return "target: a byte that has to be percent-encoded";
	if (target.len > scheme_len &&
	    str_is_nocase((struct str){ target.data, scheme_len }, scheme)) {
		path = str_skip(target, scheme_len);
		head->authority = str_until(path, "/?");
		if (!host_valid(head->authority))
			return "target: no valid host in it";
		path = str_skip(path, head->authority.len);
	} else if (target.len == 0 || target.data[0] != '/') {
		return "target: neither a path nor an http URL";
	}
	/* Brackets are for the address in an authority alone. */
	if (str_until(path, "[]").len < path.len)
		return "target: a byte that has to be percent-encoded";
	if (!escapes_valid(path))
		return "target: a percent sign without two hexadecimal digits";
	if (cut(&path, "?", &before)) {
		request->query = path;
		path = before;
	}
	request->path = path.len > 0 ? path : STR("/");
	return NULL;
}

static const char *read_request_line(struct http_head *head, struct str line)
{
	struct str method, target;

	if (!cut(&line, " ", &method) || !cut(&line, " ", &target))
		return "request line: not a method, a target and a version";
	if (!is_token(method))
		return "method: not a token";
	head->request_line = true;
	const char *reason = read_version(head, line);
	if (!reason)
		reason = read_method(head, method);
	return reason ? reason : read_target(head, target);
}

/* Fields */

static const char *read_host(struct http_head *head, struct str value)
{
	if (head->hosts++ > 0)
		return "host: more than one";
	if (!host_valid(value))
		return "host: not a valid host and port";
	head->request.host = value;
	return NULL;
}

static const char *read_length(struct http_head *head, struct str value)
{
	/* Also two that agree: RFC 9110, 8.6 allows to refuse them, and a list of numbers with
	 * them. */
	if (head->request.has_length)
		return "content-length: more than one";
	if (head->chunked)
		return "content-length: beside transfer-encoding";
	if (str_to_u64(value, INT64_MAX, &head->request.length))
		return "content-length: not a length";
	head->request.has_length = true;
	return NULL;
}

static const char *read_coding(struct http_head *head, struct str value)
{
	struct str first, last = value;

	if (head->http_1_0)
		return "transfer-encoding: in HTTP/1.0";
	if (head->chunked)
		return "transfer-encoding: more than one";
	if (head->request.has_length)
		return "transfer-encoding: beside content-length";
	if (cut(&last, ",", &first) && str_is_nocase(trim(last), "chunked"))
		for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
			if (str_is_nocase(trim(first), codings[i]))
				return "501 transfer-encoding: only chunked is known";
	if (!str_is_nocase(value, "chunked"))
		return "transfer-encoding: not chunked";
	head->chunked = true;
	return NULL;
}

static const char *read_connection(struct http_head *head, struct str value)
{
	struct str option;
	bool more = true;

	while (more) {
		more = cut(&value, ",", &option);
		option = trim(more ? option : value);
		if (str_is_nocase(option, "close"))
			head->close = true;
		else if (str_is_nocase(option, "keep-alive"))
			head->keep_alive = true;
	}
	return NULL;
}

static const char *read_expect(struct http_head *head, struct str value)
{
	if (head->http_1_0)	/* RFC 9110, 10.1.1: to be ignored */
		return NULL;
	if (!str_is_nocase(value, "100-continue"))
		return "417 expect: only 100-continue is known";
	head->expect_continue = true;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*read)(struct http_head *head, struct str value);
} known_fields[] = {
	{ "Host", read_host },
	{ "Content-Length", read_length },
	{ "Transfer-Encoding", read_coding },
	{ "Connection", read_connection },
	{ "Expect", read_expect },
};

static const char *read_field(struct http_head *head, struct str line)
{
	struct http_request *request = &head->request;
	struct str name;

	if (line.data[0] == ' ' || line.data[0] == '\t')
		return "field: folded over two lines";
	if (!cut(&line, ":", &name))
		return "field: no colon";
	if (!is_token(name))
		return "field: its name is not a token";
	if (request->fields_len == HTTP_FIELDS_MAX)
		return "431 fields: too many";
	line = trim(line);
	request->fields[request->fields_len++] = (struct http_field){ name, line };
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++)
		if (str_is_nocase(name, known_fields[i].name))
			return known_fields[i].read(head, line);
	return NULL;
}

static const char *finish(struct http_head *head)
{
	struct http_request *request = &head->request;

	if (head->hosts == 0 && !head->http_1_0)
		return "host: missing";
	if (head->authority.data) {
		if (head->hosts > 0 && !str_eq_nocase(head->authority, request->host))
			return "host: not the one in the target";
		request->host = head->authority;
	}
	request->has_body = head->chunked || request->length > 0;
	return end_of_head;
}

static const char *read_line(struct http_head *head, struct str line)
{
	if (head->request_line)
		return line.len > 0 ? read_field(head, line) : finish(head);
	if (line.len > 0)
		return read_request_line(head, line);
	if (head->empty_line)
		return "request line: empty";
	head->empty_line = true;
	return NULL;
}

enum http_head_state http_head_read(struct http_head *head, struct str bytes, size_t max)
{
	const char *reason = NULL;
	struct str line;

	/* What was found so far points to where the bytes were: found again. A buffer that grows by
	 * doubling moves few times, so all of it together costs less than reading the head
	 * twice. */
	if (head->base != (uintptr_t)bytes.data)
		*head = (struct http_head){ .base = (uintptr_t)bytes.data };
	while (head->at < bytes.len && !reason) {
		char c = bytes.data[head->at++];

		if (head->after_cr) {
			if (c != '\n') {
				reason = "line: a CR without LF";
				break;
			}
			head->after_cr = false;
			line = (struct str){ bytes.data + head->line, head->at - 2 - head->line };
			reason = read_line(head, line);
			head->line = head->at;
		} else if (c == '\r') {
			head->after_cr = true;
		} else if (c == '\n') {
			reason = "line: an LF without CR";
		} else if (is_control(c)) {
			reason = "line: a control byte";
		}
		if (!reason && !head->request_line &&
		    (head->at >= max || head->at - head->line > HTTP_LINE_MAX))
			reason = "414 request line: too long";
		if (!reason && head->at >= max)
			reason = "431 head: too long";
	}
	if (!reason || !*reason)
		return reason ? HTTP_HEAD_WHOLE : HTTP_HEAD_MORE;
	head->status = status_of(&reason);
	head->reason = reason;
	return HTTP_HEAD_BAD;
}

/* Chunks */

/* One byte of a chunk's first line. */
static const char *read_size(struct http_chunks *chunks, char c)
{
	int digit = byte_hex(c);

	if (++chunks->line > HTTP_CHUNK_LINE_MAX)
		return "chunk: its size line is too long";
	switch (chunks->state) {
	case HTTP_CHUNK_SIZE_FIRST:
	case HTTP_CHUNK_SIZE:
		if (digit >= 0) {
			if (chunks->left > (uint64_t)INT64_MAX >> 4)
				return "chunk: its size is too large";
			chunks->left = chunks->left << 4 | (uint64_t)digit;
			chunks->state = HTTP_CHUNK_SIZE;
			return NULL;
		}
		if (chunks->state == HTTP_CHUNK_SIZE_FIRST || (c != ';' && c != '\r'))
			return "chunk: its size is no hexadecimal number";
		chunks->state = c == ';' ? HTTP_CHUNK_EXTENSION : HTTP_CHUNK_SIZE_LF;
		return NULL;
	case HTTP_CHUNK_EXTENSION:
		if (c == '\r')
			chunks->state = HTTP_CHUNK_SIZE_LF;
		else if (is_control(c) || (unsigned char)c >= 0x80)
			return "chunk: a bad byte in an extension";
		return NULL;
	default:	/* SIZE_LF */
		if (c != '\n')
			return "chunk: a CR without LF";
		chunks->line = 0;
		chunks->state = chunks->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER_FIRST;
		return NULL;
	}
}

/* One byte of the trailer fields, which are checked and dropped. */
static const char *read_trailer(struct http_chunks *chunks, char c)
{
	if (++chunks->trailer_bytes > HTTP_TRAILERS_MAX)
		return "431 trailer: too long";
	switch (chunks->state) {
	case HTTP_CHUNK_TRAILER_FIRST:
		if (c == '\r') {
			chunks->state = HTTP_CHUNK_LAST_LF;
			return NULL;
		}
		if (!is_token_byte(c))
			return "trailer: its name is not a token";
		if (++chunks->trailers > HTTP_FIELDS_MAX)
			return "431 trailer: too many fields";
		chunks->state = HTTP_CHUNK_TRAILER_NAME;
		return NULL;
	case HTTP_CHUNK_TRAILER_NAME:
		if (c == ':')
			chunks->state = HTTP_CHUNK_TRAILER_VALUE;
		else if (!is_token_byte(c))
			return "trailer: its name is not a token";
		return NULL;
	case HTTP_CHUNK_TRAILER_VALUE:
		if (c == '\r')
			chunks->state = HTTP_CHUNK_TRAILER_LF;
		else if (is_control(c))
			return "trailer: a control byte";
		return NULL;
	default:	/* TRAILER_LF, LAST_LF */
		if (c != '\n')
			return "trailer: a CR without LF";
		chunks->state = chunks->state == HTTP_CHUNK_LAST_LF ? HTTP_CHUNK_END :
		    HTTP_CHUNK_TRAILER_FIRST;
		return NULL;
	}
}

int64_t http_chunks_read(struct http_chunks *chunks, struct str bytes)
{
	size_t at = 0;
	const char *reason = NULL;

	while (!reason && at < bytes.len && chunks->state != HTTP_CHUNK_DATA &&
	    chunks->state != HTTP_CHUNK_END) {
		char c = bytes.data[at++];

		switch (chunks->state) {
		case HTTP_CHUNK_DATA_CR:
		case HTTP_CHUNK_DATA_LF:
			if (c != (chunks->state == HTTP_CHUNK_DATA_CR ? '\r' : '\n'))
				reason = "chunk: no CR LF after its data";
			chunks->state = chunks->state == HTTP_CHUNK_DATA_CR ? HTTP_CHUNK_DATA_LF :
			    HTTP_CHUNK_SIZE_FIRST;
			break;
		case HTTP_CHUNK_SIZE_FIRST:
		case HTTP_CHUNK_SIZE:
		case HTTP_CHUNK_EXTENSION:
		case HTTP_CHUNK_SIZE_LF:
			reason = read_size(chunks, c);
			break;
		default:
			reason = read_trailer(chunks, c);
			break;
		}
	}
	if (!reason)
		return (int64_t)at;
	chunks->status = status_of(&reason);
	chunks->reason = reason;
	return -1;
}

void http_chunks_take(struct http_chunks *chunks, uint64_t n)
{
	chunks->left -= n;
	if (chunks->left == 0)
		chunks->state = HTTP_CHUNK_DATA_CR;
}

/* Small things of http.h that need no connection */

struct str http_field(const struct http_request *request, const char *name, size_t *count)
{
	struct str value = { NULL, 0 };
	size_t n = 0;

	for (size_t i = 0; i < request->fields_len; i++)
		if (str_is_nocase(request->fields[i].name, name) && n++ == 0)
			value = request->fields[i].value;
	if (count)
		*count = n;
	return value;
}

const char *http_method_name(enum http_method method)
{
	return text_at(methods, method);
}

const char *http_status_text(int status)
{
	for (const char *text = statuses; *text; text += strlen(text) + 1)
		if ((text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0' == status)
			return text + 3;
	return "Unknown";
}

int http_decode(struct buf *out, struct str text)
{
	int error = 0, byte;

	if (!escapes_valid(text))
		return -EINVAL;
	for (size_t i = 0; i < text.len && !error; i++) {
		if (text.data[i] != '%') {
			error = buf_putc(out, text.data[i]);
		} else {
			byte = byte_hex(text.data[i + 1]) * 16 + byte_hex(text.data[i + 2]);
			error = buf_putc(out, (char)byte);
			i += 2;
		}
	}
	return error;
}
