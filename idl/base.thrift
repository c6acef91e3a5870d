/**
 * What every contract shares: the call context, money, places, and the three kinds of error.
 *
 * Ids are text on the wire: an order id is a 63-bit number, and a JSON reader is exact only to 2^53.
 * Times are RFC 3339 text in UTC. Money is a whole number of minor units.
 *
 * Annotations a reader of this file may rely on, all checked before a service sees the value:
 *   doc, ge, le, min_length, max_length (text: 200 unless told), pattern, one_of, min_items, max_items.
 * Of a method: doc, and repeat = "safe" where asking twice is the same as asking once, even if the first time
 * is carried out late. Only those are asked again after they may have reached the service.
 */
namespace py tiffin.base

struct Caller {
  1: required string role (doc = "Who is calling: a person's role, a part of the platform, or a visitor, who has not signed in.",
                           one_of = "customer restaurant courier operator system visitor"),
  2: required string id (doc = "The caller's id within that role.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: optional string person (doc = "Who it is where `id` is a restaurant's.", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  4: optional string access (doc = "What they may do there; `system`: a restaurant's own system, by API key. Not given: everything.",
                             one_of = "owner manager staff system"),
}

struct CallContext {
  1: required string request_id (doc = "Names this request in logs, events and answers.", max_length = "64"),
  2: required Caller caller,
  3: required i64 deadline_ms (doc = "When the caller stops waiting, in milliseconds since the epoch."),
  4: optional string trace_parent (doc = "W3C traceparent.", max_length = "128"),
}

struct Money {
  1: required i64 amount (doc = "Minor units: cents, or whole units where a currency has none.",
                          ge = "-1000000000000", le = "1000000000000"),
  2: required string currency (doc = "ISO 4217 code.", pattern = "^[A-Z]{3}$"),
}

struct Place {
  1: required double latitude (ge = "-90", le = "90"),
  2: required double longitude (ge = "-180", le = "180"),
}

/** A typed business no. `code` is stable: programs may branch on it. */
exception Refusal {
  1: required string code,
  2: required string message,
  3: optional string details (doc = "JSON object with what the caller needs to do better."),
}

/** Try again, maybe: a dependency is away, a limit is reached, or an outcome is not known yet. */
exception Unavailable {
  1: required string code,
  2: required string message,
  3: optional i32 retry_after_ms,
}

struct OrderIds {
  1: required list<string> order_ids (max_items = "1000"),
}

struct HealthQuery {
}

struct HealthReport {
  1: required string state (doc = "A draining process finishes what it has begun and takes nothing new.", one_of = "serving draining"),
  2: required i32 in_flight (doc = "Calls being carried out or waiting for their turn, in this process."),
}

/** What every service also answers, whatever else it is doing. */
service Health {
  HealthReport health(1: CallContext context, 2: HealthQuery request)
      throws (1: Refusal refusal, 2: Unavailable unavailable) (doc = "Is this process serving, and how busy is it?", repeat = "safe"),
}
