/* api.h - the HTTP API: joins http, json, sandbox and session; the contract is docs/api.md */
#ifndef API_H
#define API_H

#include "http.h"
#include "options.h"
#include "request.h"
#include "sandbox.h"
#include "session.h"

struct api_config {
	struct http *http;
	struct sandbox *sandbox;
	struct sessions *sessions;
	struct request_rules rules;	/* of a run without a session */
	const struct option_list *allow_host;
	const bool *listener_is_unix;	/* by http_request.listener */
	const char *node;		/* of this server; "" or NULL: none */
	const char *kernel;		/* its release */
	bool fly;			/* node names a Fly.io machine: another node's sessions are replayed there */
	unsigned connections_max, runs_max;
	enum log_format log_format;
	int null;			/* /dev/null, open for reading */
	struct str facts;		/* further members of GET /version, as JSON text: ", \"checks\": …" */
};

struct api;

int api_open(struct api **api, const struct api_config *config);
void api_close(struct api *api);
void api_set_tokens(struct api *api, const struct message_tokens *tokens);
/* From now on /health says draining and nothing new is begun. */
void api_drain(struct api *api);
/* Ends every run now. */
void api_cancel_all(struct api *api);
/* Requests in hand. */
size_t api_busy(const struct api *api);

void api_wait(struct api *api, struct wait *wait);
void api_step(struct api *api, struct wait *wait);
/* What a session answer of the launcher means for the requests that wait for it. */
void api_answer(struct api *api, const struct message_session *message, const struct wait *wait);
/* Takes one of sandbox_next's events: runs that ended, streams that moved. */
void api_run_event(struct api *api, const struct sandbox_event *event, const struct wait *wait);

#endif
