/** The double-entry ledger: what everybody is owed for orders, and what has been settled and paid out. */
namespace py tiffin.ledger
include "base.thrift"

struct Posting {
  1: required string account (doc = "Such as customer:<id>, restaurant:<id>, courier:<id>, cash:<courier>, platform:..., provider:clearing:<provider>.",
                              pattern = "^[a-z]+:[A-Za-z0-9_.:-]{1,100}$"),
  2: required i64 amount (doc = "Minor units. Positive: the platform owes the account's holder so much more.",
                          ge = "-1000000000000", le = "1000000000000"),
}

struct Entry {
  1: required string subject (doc = "The order's number, or settlement:<id>, cash:<courier>, provider:<name>."),
  2: required string fact (doc = "What has happened, once within its subject: completed, captured:<payment>, reversal:completed."),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required list<Posting> postings (doc = "They sum to zero.", min_items = "2", max_items = "50"),
  5: required string at (doc = "When the fact was."),
  6: optional i32 policy (doc = "The version of the fees it was made by, where it depends on them."),
  7: required string trace (doc = "The request that made it."),
}

struct EntriesOf {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
}

struct EntryList {
  1: required list<Entry> entries (doc = "By time."),
}

struct EnterEntry {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string fact (doc = "Names the fact within the order: entering it again changes nothing.",
                           pattern = "^[a-z_]+(:[A-Za-z0-9_.-]{1,100})?$"),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required list<Posting> postings (min_items = "2", max_items = "50"),
}

struct ReverseEntry {
  1: required string order_id (pattern = "^[1-9][0-9]{0,18}$"),
  2: required string fact (doc = "The fact of the entry to undo.", max_length = "150"),
}

struct BalanceOf {
  1: required string account (pattern = "^[a-z]+:[A-Za-z0-9_.:-]{1,100}$"),
}

struct AccountBalance {
  1: required string account,
  2: required list<base.Money> balances (doc = "One a currency: what the platform owes the holder; negative: what they owe the platform."),
}

struct HoldingsOf {
  1: required string party (pattern = "^(customer|restaurant|courier):[A-Za-z0-9_.:-]{1,64}$"),
}

struct Holdings {
  1: required string party,
  2: required list<AccountBalance> accounts (doc = "A customer's balance and what of it is held; what a restaurant or courier has earned and not been settled; cash in a courier's hands, negative."),
}

struct RecordCash {
  1: required string courier_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required base.Money amount,
  3: required string reference (doc = "The receipt's name: the same again changes nothing, with another amount it is refused.",
                                pattern = "^[A-Za-z0-9_.-]{1,100}$"),
}

struct RecordProviderPayout {
  1: required string provider (doc = "As payments name it.", pattern = "^[a-z]{1,40}$"),
  2: required base.Money amount (doc = "What has come to the bank."),
  3: optional i64 fees (doc = "What the provider has kept for itself, minor units.", ge = "0", le = "1000000000000"),
  4: required string reference (doc = "The provider's name for the payout: the same again changes nothing, with other amounts it is refused.",
                                pattern = "^[A-Za-z0-9_.-]{1,100}$"),
}

struct UndoCash {
  1: required string courier_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string reference (doc = "Under which it was noted.", pattern = "^[A-Za-z0-9_.-]{1,100}$"),
}

struct UndoProviderPayout {
  1: required string provider (pattern = "^[a-z]{1,40}$"),
  2: required string reference (doc = "Under which it was noted.", pattern = "^[A-Za-z0-9_.-]{1,100}$"),
}

struct Settlement {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,200}$"),
  2: required string party (doc = "restaurant:<id> or courier:<id>."),
  3: required base.Money amount,
  4: required i32 lines (doc = "How many lines of the statement it sums up."),
  5: required string cutoff (doc = "What had fallen due by then."),
  6: required string made_at,
  7: optional string paid_at,
  8: optional string reference (doc = "The bank's name for the payout."),
}

struct SettlementsOf {
  1: required string party (pattern = "^(restaurant|courier):[A-Za-z0-9_.:-]{1,64}$"),
}

struct SettlementList {
  1: required list<Settlement> settlements (doc = "Newest first; the latest 200."),
}

struct WaitingSettlements {
  1: optional string cursor (doc = "`next_cursor` of the page before.", max_length = "300"),
  2: optional i32 limit = 20 (ge = "1", le = "200"),
}

struct SettlementPage {
  1: required list<Settlement> settlements (doc = "The oldest first."),
  2: optional string next_cursor (doc = "Not given on the last page."),
}

struct SettlementRef {
  1: required string settlement_id (pattern = "^[A-Za-z0-9_.:-]{1,200}$"),
}

struct SettlementStatement {
  1: required Settlement settlement,
  2: required string csv (doc = "A line for every order in it, and the sum.", max_length = "10000000"),
}

struct SettlementsCsv {
  1: required string party,
  2: required string csv (doc = "A line for every settlement, the newest first, with its payout.", max_length = "10000000"),
}

struct RecordPayout {
  1: required string settlement_id (pattern = "^[A-Za-z0-9_.:-]{1,200}$"),
  2: required string reference (doc = "The bank's name for the payout: the same again changes nothing, another is refused.",
                                pattern = "^[\\x21-\\x7e]{1,100}$"),
}

struct FeesOf {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string currency (pattern = "^[A-Z]{3}$"),
  3: required string placed_at (doc = "The fees are those of the version that held then, RFC 3339.", max_length = "40"),
}

/** The fees of an order. */
struct OrderFees {
  1: required i32 policy (doc = "The version."),
  2: required i32 commission_bp (doc = "Of the subtotal, in hundredths of a per cent."),
  3: required i32 courier_share_bp (doc = "Of the delivery fee."),
  4: required i64 courier_minimum (doc = "Minor units."),
}

/** What the log says about settlements. */
struct SettlementEvent {
  1: required string type (one_of = "settlement.made settlement.paid"),
  2: required i32 version,
  3: required string settlement_id,
  4: required string party,
  5: required base.Money amount,
  6: required string at,
  7: required string request_id,
  8: optional string reference,
}

service Ledger extends base.Health {
  EntryList entries(1: base.CallContext context, 2: EntriesOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Every entry of an order.", repeat = "safe"),
  AccountBalance balance(1: base.CallContext context, 2: BalanceOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What an account holds, in each currency.", repeat = "safe"),
  Entry enter(1: base.CallContext context, 2: EnterEntry request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Enter a fact that no event tells of. The same fact again is answered with what stands.", repeat = "safe"),
  Entry reverse(1: base.CallContext context, 2: ReverseEntry request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Undo an entry by its opposite, once.", repeat = "safe"),
  OrderFees fees(1: base.CallContext context, 2: FeesOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The fees that hold for an order. For the platform's own parts.", repeat = "safe"),
  Holdings holdings(1: base.CallContext context, 2: HoldingsOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What the platform owes somebody, and they the platform.", repeat = "safe"),
  Entry record_cash(1: base.CallContext context, 2: RecordCash request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Note that a courier has handed in cash.", repeat = "safe"),
  Entry record_provider_payout(1: base.CallContext context, 2: RecordProviderPayout request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Note that a provider has paid on what it took for us.", repeat = "safe"),
  Entry undo_cash(1: base.CallContext context, 2: UndoCash request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Undo what was noted of a courier's cash by mistake, once.", repeat = "safe"),
  Entry undo_provider_payout(1: base.CallContext context, 2: UndoProviderPayout request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Undo what was noted of a provider's payout by mistake, once.", repeat = "safe"),
  SettlementsCsv settlements_csv(1: base.CallContext context, 2: SettlementsOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a restaurant or courier has been settled and paid, as CSV.", repeat = "safe"),
  SettlementList list_settlements(1: base.CallContext context, 2: SettlementsOf request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a restaurant or courier has been settled.", repeat = "safe"),
  SettlementPage waiting_settlements(1: base.CallContext context, 2: WaitingSettlements request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Everybody's settlements that the bank has not paid yet.", repeat = "safe"),
  SettlementStatement settlement_statement(1: base.CallContext context, 2: SettlementRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A settlement line by line, as CSV.", repeat = "safe"),
  Settlement record_payout(1: base.CallContext context, 2: RecordPayout request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Note that the bank has paid a settlement.", repeat = "safe"),
}
