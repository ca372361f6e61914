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

/* Each behind its number of three digits. */
static const char statuses[] =
	"100Continue\0" "101Switching Protocols\0" "200OK\0" "201Created\0" "202Accepted\0"
	"204No Content\0" "205Reset Content\0" "206Partial Content\0" "301Moved Permanently\0"
	"302Found\0" "303See Other\0" "304Not Modified\0" "307Temporary Redirect\0"
	"308Permanent Redirect\0" "400Bad Request\0" "401Unauthorized\0" "403Forbidden\0"
	"404Not Found\0" "405Method Not Allowed\0" "406Not Acceptable\0" "408Request Timeout\0"
	"409Conflict\0" "410Gone\0" "411Length Required\0" "412Precondition Failed\0"
	"413Content Too Large\0" "414URI Too Long\0" "415Unsupported Media Type\0"
	"416Range Not Satisfiable\0" "417Expectation Failed\0" "421Misdirected Request\0"
	"422Unprocessable Content\0" "426Upgrade Required\0" "428Precondition Required\0"
	"429Too Many Requests\0" "431Request Header Fields Too Large\0"
	"500Internal Server Error\0" "501Not Implemented\0" "502Bad Gateway\0"
	"503Service Unavailable\0" "504Gateway Timeout\0" "505HTTP Version Not Supported\0"
	"507Insufficient Storage\0";

/* Codings that are real but not offered here; anything else in their place is an error of
 * syntax. */
static const char codings[][11] = { "gzip", "x-gzip", "compress", "x-compress", "deflate" };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
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
		return is_alnum(c);
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
		return is_alnum(c);
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
		    hex_value(text.data[i + 1]) < 0 || hex_value(text.data[i + 2]) < 0))
			return false;
	return true;
}

static struct str skip(struct str text, size_t n)
{
	return (struct str){ text.data + n, text.len - n };
}

/* Up to the first `separator`, which is dropped; text keeps what follows. False when there is none:
 * text is then as it was. */
static bool cut(struct str *text, char separator, struct str *part)
{
	const char *end = text->len > 0 ? memchr(text->data, separator, text->len) : NULL;

	if (!end)
		return false;
	*part = (struct str){ text->data, (size_t)(end - text->data) };
	*text = skip(*text, part->len + 1);
	return true;
}

static struct str trim(struct str text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = skip(text, 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

static enum http_head_state bad(struct http_head *head, int status, const char *reason)
{
	head->status = status;
	head->reason = reason;
	return HTTP_HEAD_BAD;
}

/* RFC 3986, 3.2.2: host [ ":" port ]. A host of http is never empty (RFC 9110, 4.2.1). */
static bool host_valid(struct str host)
{
	struct str name = host, port = { NULL, 0 };
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	uint64_t number;

	if (host.len > 0 && host.data[0] == '[') {
		name = skip(host, 1);
		port = name;
		if (!cut(&port, ']', &name) || name.len == 0 || name.len >= sizeof(address))
			return false;
		memcpy(address, name.data, name.len);
		address[name.len] = '\0';
		if (str_has_nul(name) || inet_pton(AF_INET6, address, &ignored) != 1)
			return false;
		if (port.len > 0 && port.data[0] != ':')
			return false;
		if (port.len > 0)
			port = skip(port, 1);
	} else {
		if (cut(&host, ':', &name))
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

static enum http_head_state read_version(struct http_head *head, struct str version)
{
	if (version.len != 8 || !str_begins(version, "HTTP/") || !is_digit(version.data[5]) ||
	    version.data[6] != '.' || !is_digit(version.data[7]))
		return bad(head, 400, "request line: no HTTP version at its end");
	if (version.data[5] != '1' || version.data[7] > '1')
		return bad(head, 505, "request line: the version is neither HTTP/1.0 nor HTTP/1.1");
	head->http_1_0 = version.data[7] == '0';
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_method(struct http_head *head, struct str method)
{
	head->request.method_text = method;
	head->request.method = HTTP_GET;
	for (const char *name = methods; *name; name += strlen(name) + 1) {
		if (str_is(method, name))
			return HTTP_HEAD_MORE;
		if (head->request.method < HTTP_OTHER)
			head->request.method++;
	}
	return bad(head, 501, "method: not known");
}

static enum http_head_state read_target(struct http_head *head, struct str target)
{
	static const char scheme[] = "http://";
	const size_t scheme_len = sizeof(scheme) - 1;
	struct http_request *request = &head->request;
	struct str path = target, before;
	size_t n;

	if (request->method == HTTP_OPTIONS && str_is(target, "*")) {
		request->path = target;
		return HTTP_HEAD_MORE;
	}
	for (size_t i = 0; i < target.len; i++)
		if (!is_target_byte(target.data[i]) && target.data[i] != '[' &&
		    target.data[i] != ']')
			return bad(head, 400, "target: a byte that has to be percent-encoded");
	if (target.len > scheme_len &&
	    str_is_nocase((struct str){ target.data, scheme_len }, scheme)) {
		path = skip(target, scheme_len);
		for (n = 0; n < path.len && path.data[n] != '/' && path.data[n] != '?'; n++)
			;
		head->authority = (struct str){ path.data, n };
		if (!host_valid(head->authority))
			return bad(head, 400, "target: no valid host in it");
		path = skip(path, n);
	} else if (target.len == 0 || target.data[0] != '/') {
		return bad(head, 400, "target: neither a path nor an http URL");
	}
	/* Brackets are for the address in an authority alone. */
	if (path.len > 0 && (memchr(path.data, '[', path.len) || memchr(path.data, ']', path.len)))
		return bad(head, 400, "target: a byte that has to be percent-encoded");
	if (!escapes_valid(path))
		return bad(head, 400, "target: a percent sign without two hexadecimal digits");
	if (cut(&path, '?', &before)) {
		request->query = path;
		path = before;
	}
	request->path = path.len > 0 ? path : STR("/");
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_request_line(struct http_head *head, struct str line)
{
	struct str method, target;
	enum http_head_state state;

	if (!cut(&line, ' ', &method) || !cut(&line, ' ', &target))
		return bad(head, 400, "request line: not a method, a target and a version");
	if (!is_token(method))
		return bad(head, 400, "method: not a token");
	state = read_version(head, line);
	if (state == HTTP_HEAD_MORE)
		state = read_method(head, method);
	if (state == HTTP_HEAD_MORE)
		state = read_target(head, target);
	head->request_line = true;
	return state;
}

/* Fields */

static enum http_head_state read_host(struct http_head *head, struct str value)
{
	if (head->hosts++ > 0)
		return bad(head, 400, "host: more than one");
	if (!host_valid(value))
		return bad(head, 400, "host: not a valid host and port");
	head->request.host = value;
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_length(struct http_head *head, struct str value)
{
	/* Also two that agree: RFC 9110, 8.6 allows to refuse them, and a list of numbers with
	 * them. */
	if (head->request.has_length)
		return bad(head, 400, "content-length: more than one");
	if (head->chunked)
		return bad(head, 400, "content-length: beside transfer-encoding");
	if (str_to_u64(value, INT64_MAX, &head->request.length))
		return bad(head, 400, "content-length: not a length");
	head->request.has_length = true;
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_coding(struct http_head *head, struct str value)
{
	struct str first, last = value;

	if (head->http_1_0)
		return bad(head, 400, "transfer-encoding: in HTTP/1.0");
	if (head->chunked)
		return bad(head, 400, "transfer-encoding: more than one");
	if (head->request.has_length)
		return bad(head, 400, "transfer-encoding: beside content-length");
	if (cut(&last, ',', &first) && str_is_nocase(trim(last), "chunked"))
		for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
			if (str_is_nocase(trim(first), codings[i]))
				return bad(head, 501, "transfer-encoding: only chunked is known");
	if (!str_is_nocase(value, "chunked"))
		return bad(head, 400, "transfer-encoding: not chunked");
	head->chunked = true;
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_connection(struct http_head *head, struct str value)
{
	struct str option;
	bool more = true;

	while (more) {
		more = cut(&value, ',', &option);
		option = trim(more ? option : value);
		if (str_is_nocase(option, "close"))
			head->close = true;
		else if (str_is_nocase(option, "keep-alive"))
			head->keep_alive = true;
	}
	return HTTP_HEAD_MORE;
}

static enum http_head_state read_expect(struct http_head *head, struct str value)
{
	if (head->http_1_0)	/* RFC 9110, 10.1.1: to be ignored */
		return HTTP_HEAD_MORE;
	if (!str_is_nocase(value, "100-continue"))
		return bad(head, 417, "expect: only 100-continue is known");
	head->expect_continue = true;
	return HTTP_HEAD_MORE;
}

static const struct {
	const char *name;
	enum http_head_state (*read)(struct http_head *head, struct str value);
} known_fields[] = {
	{ "Host", read_host },
	{ "Content-Length", read_length },
	{ "Transfer-Encoding", read_coding },
	{ "Connection", read_connection },
	{ "Expect", read_expect },
};

static enum http_head_state read_field(struct http_head *head, struct str line)
{
	struct http_request *request = &head->request;
	struct str name;

	if (line.data[0] == ' ' || line.data[0] == '\t')
		return bad(head, 400, "field: folded over two lines");
	if (!cut(&line, ':', &name))
		return bad(head, 400, "field: no colon");
	if (!is_token(name))
		return bad(head, 400, "field: its name is not a token");
	if (request->fields_len == HTTP_FIELDS_MAX)
		return bad(head, 431, "fields: too many");
	line = trim(line);
	request->fields[request->fields_len++] = (struct http_field){ name, line };
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++)
		if (str_is_nocase(name, known_fields[i].name))
			return known_fields[i].read(head, line);
	return HTTP_HEAD_MORE;
}

static enum http_head_state finish(struct http_head *head)
{
	struct http_request *request = &head->request;

	if (head->hosts == 0 && !head->http_1_0)
		return bad(head, 400, "host: missing");
	if (head->authority.data) {
		if (head->hosts > 0 && !same_nocase(head->authority, request->host))
			return bad(head, 400, "host: not the one in the target");
		request->host = head->authority;
	}
	request->has_body = head->chunked || request->length > 0;
	return HTTP_HEAD_WHOLE;
}

static enum http_head_state read_line(struct http_head *head, struct str line)
{
	if (head->request_line)
		return line.len > 0 ? read_field(head, line) : finish(head);
	if (line.len > 0)
		return read_request_line(head, line);
	if (head->empty_line)
		return bad(head, 400, "request line: empty");
	head->empty_line = true;
	return HTTP_HEAD_MORE;
}

enum http_head_state http_head_read(struct http_head *head, struct str bytes, size_t max)
{
	enum http_head_state state = HTTP_HEAD_MORE;
	struct str line;

	/* What was found so far points to where the bytes were: found again. A buffer that grows by
	 * doubling moves few times, so all of it together costs less than reading the head
	 * twice. */
	if (head->base != (uintptr_t)bytes.data)
		*head = (struct http_head){ .base = (uintptr_t)bytes.data };
	while (head->at < bytes.len && state == HTTP_HEAD_MORE) {
		char c = bytes.data[head->at++];

		if (head->after_cr) {
			if (c != '\n')
				return bad(head, 400, "line: a CR without LF");
			head->after_cr = false;
			line = (struct str){ bytes.data + head->line, head->at - 2 - head->line };
			state = read_line(head, line);
			head->line = head->at;
		} else if (c == '\r') {
			head->after_cr = true;
		} else if (c == '\n') {
			return bad(head, 400, "line: an LF without CR");
		} else if (is_control(c)) {
			return bad(head, 400, "line: a control byte");
		}
		if (state == HTTP_HEAD_MORE && !head->request_line &&
		    (head->at >= max || head->at - head->line > HTTP_LINE_MAX))
			return bad(head, 414, "request line: too long");
		if (state == HTTP_HEAD_MORE && head->at >= max)
			return bad(head, 431, "head: too long");
	}
	return state;
}

/* Chunks */

static int64_t bad_chunk(struct http_chunks *chunks, int status, const char *reason)
{
	chunks->status = status;
	chunks->reason = reason;
	return -1;
}

/* One byte of a chunk's first line. */
static int64_t read_size(struct http_chunks *chunks, char c)
{
	int digit = hex_value(c);

	if (++chunks->line > HTTP_CHUNK_LINE_MAX)
		return bad_chunk(chunks, 400, "chunk: its size line is too long");
	switch (chunks->state) {
	case HTTP_CHUNK_SIZE_FIRST:
	case HTTP_CHUNK_SIZE:
		if (digit >= 0) {
			if (chunks->left > (uint64_t)INT64_MAX >> 4)
				return bad_chunk(chunks, 400, "chunk: its size is too large");
			chunks->left = chunks->left << 4 | (uint64_t)digit;
			chunks->state = HTTP_CHUNK_SIZE;
			return 0;
		}
		if (chunks->state == HTTP_CHUNK_SIZE_FIRST || (c != ';' && c != '\r'))
			return bad_chunk(chunks, 400, "chunk: its size is no hexadecimal number");
		chunks->state = c == ';' ? HTTP_CHUNK_EXTENSION : HTTP_CHUNK_SIZE_LF;
		return 0;
	case HTTP_CHUNK_EXTENSION:
		if (c == '\r')
			chunks->state = HTTP_CHUNK_SIZE_LF;
		else if (is_control(c) || (unsigned char)c >= 0x80)
			return bad_chunk(chunks, 400, "chunk: a bad byte in an extension");
		return 0;
	default:	/* SIZE_LF */
		if (c != '\n')
			return bad_chunk(chunks, 400, "chunk: a CR without LF");
		chunks->line = 0;
		chunks->state = chunks->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER_FIRST;
		return 0;
	}
}

/* One byte of the trailer fields, which are checked and dropped. */
static int64_t read_trailer(struct http_chunks *chunks, char c)
{
	if (++chunks->trailer_bytes > HTTP_TRAILERS_MAX)
		return bad_chunk(chunks, 431, "trailer: too long");
	switch (chunks->state) {
	case HTTP_CHUNK_TRAILER_FIRST:
		if (c == '\r') {
			chunks->state = HTTP_CHUNK_LAST_LF;
			return 0;
		}
		if (!is_token_byte(c))
			return bad_chunk(chunks, 400, "trailer: its name is not a token");
		if (++chunks->trailers > HTTP_FIELDS_MAX)
			return bad_chunk(chunks, 431, "trailer: too many fields");
		chunks->state = HTTP_CHUNK_TRAILER_NAME;
		return 0;
	case HTTP_CHUNK_TRAILER_NAME:
		if (c == ':')
			chunks->state = HTTP_CHUNK_TRAILER_VALUE;
		else if (!is_token_byte(c))
			return bad_chunk(chunks, 400, "trailer: its name is not a token");
		return 0;
	case HTTP_CHUNK_TRAILER_VALUE:
		if (c == '\r')
			chunks->state = HTTP_CHUNK_TRAILER_LF;
		else if (is_control(c))
			return bad_chunk(chunks, 400, "trailer: a control byte");
		return 0;
	default:	/* TRAILER_LF, LAST_LF */
		if (c != '\n')
			return bad_chunk(chunks, 400, "trailer: a CR without LF");
		chunks->state = chunks->state == HTTP_CHUNK_LAST_LF ? HTTP_CHUNK_END :
		    HTTP_CHUNK_TRAILER_FIRST;
		return 0;
	}
}

int64_t http_chunks_read(struct http_chunks *chunks, struct str bytes)
{
	size_t at = 0;
	int64_t error = 0;

	while (at < bytes.len && chunks->state != HTTP_CHUNK_DATA &&
	    chunks->state != HTTP_CHUNK_END) {
		char c = bytes.data[at++];

		switch (chunks->state) {
		case HTTP_CHUNK_DATA_CR:
		case HTTP_CHUNK_DATA_LF:
			if (c != (chunks->state == HTTP_CHUNK_DATA_CR ? '\r' : '\n'))
				return bad_chunk(chunks, 400, "chunk: no CR LF after its data");
			chunks->state = chunks->state == HTTP_CHUNK_DATA_CR ? HTTP_CHUNK_DATA_LF :
			    HTTP_CHUNK_SIZE_FIRST;
			break;
		case HTTP_CHUNK_SIZE_FIRST:
		case HTTP_CHUNK_SIZE:
		case HTTP_CHUNK_EXTENSION:
		case HTTP_CHUNK_SIZE_LF:
			error = read_size(chunks, c);
			break;
		default:
			error = read_trailer(chunks, c);
			break;
		}
		if (error)
			return error;
	}
	return (int64_t)at;
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
			byte = hex_value(text.data[i + 1]) * 16 + hex_value(text.data[i + 2]);
			error = buf_putc(out, (char)byte);
			i += 2;
		}
	}
	return error;
}
