/** Restaurants: menus, opening hours, stock; prices baskets and holds portions for orders. */
namespace py tiffin.restaurants
include "base.thrift"

struct AvailabilityWindow {
  1: optional list<i32> weekdays (doc = "0 is Monday. Not given: every day.", max_items = "7"),
  2: required string starts (doc = "Local time.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  3: required string ends (doc = "Local time; 24:00 is the end of the day; earlier than `starts` means the next day.",
                           pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
}

struct OptionGroup {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: optional i32 choose_min = 0 (doc = "Fewer may not be chosen; 1 or more: the customer has to choose.", ge = "0", le = "20"),
  4: required i32 choose_max (doc = "More may not be chosen.", ge = "1", le = "20"),
}

struct OptionChoice {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required i64 price (doc = "Minor units added to the dish's price.", ge = "0", le = "100000000"),
  4: optional string group (doc = "Id of the option group whose rule it counts in. Not given: a free extra.",
                            pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  5: optional i32 quantity_max = 1 (doc = "How often it may be chosen for one portion.", ge = "1", le = "20"),
  6: optional bool available = true (doc = "False takes the option off sale without losing it."),
}

struct MenuCategory {
  1: required string name (doc = "As the dishes name it.", min_length = "1", max_length = "100"),
  2: optional string description (min_length = "1", max_length = "1000"),
  3: optional list<AvailabilityWindow> windows (doc = "When its dishes are to be had. Not given: always.", max_items = "50"),
}

struct MenuItem {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "200"),
  3: required i64 price (doc = "Minor units of the restaurant's currency.", ge = "0", le = "100000000"),
  4: optional string category (min_length = "1", max_length = "100"),
  5: optional string description (min_length = "1", max_length = "1000"),
  6: optional list<OptionChoice> options (doc = "What a customer may add to a portion.", max_items = "50"),
  7: optional bool available = true (doc = "False takes the dish off sale without losing it."),
  8: optional bool limited = false (doc = "True: only as many portions as the stock says. False: as many as are wanted."),
  9: optional list<OptionGroup> option_groups (doc = "Rules for choosing among the options that name them.", max_items = "20"),
  10: optional list<AvailabilityWindow> windows (doc = "When the dish is to be had, within those of its category. Not given: always.",
                                                 max_items = "50"),
  11: optional i32 preparation_minutes (doc = "Longer than the restaurant's own time for this dish.", ge = "0", le = "1440"),
  12: optional i32 daily_portions (doc = "Of a limited dish: at the first hold of a local day, portions are added until so many are free.",
                                   ge = "1", le = "1000000"),
}

struct OpeningHours {
  1: required i32 weekday (doc = "0 is Monday.", ge = "0", le = "6"),
  2: required string opens (doc = "Local time.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  3: required string closes (doc = "Local time; 24:00 is the end of the day; earlier than `opens` means the next day.",
                             pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
}

struct DayHours {
  1: required string opens (doc = "Local time.", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"),
  2: required string closes (doc = "Local time; 24:00 is the end of the day; earlier than `opens` means the next day.",
                             pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
}

struct SpecialDay {
  1: required string date (doc = "Local date, 2026-12-25. What opens on it is this, and not the weekday's hours.",
                           pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
  2: required list<DayHours> hours (doc = "Empty: closed that day.", max_items = "10"),
  3: optional string reason (doc = "Such as Christmas.", min_length = "1", max_length = "100"),
}

struct DeliveryArea {
  1: optional i32 radius_m (doc = "At most so far from the restaurant, as the crow flies.", ge = "1", le = "100000"),
  2: optional list<base.Place> polygon (doc = "Corners, in order, either way round; may cross the antimeridian, must not cross itself. With a radius: within both.",
                                        min_items = "3", max_items = "200"),
}

struct FeeBand {
  1: required i32 up_to_m (doc = "For distances up to this.", ge = "1", le = "100000"),
  2: required i64 fee (doc = "Minor units.", ge = "0", le = "100000000"),
}

struct SmallOrder {
  1: required i64 below (doc = "Minor units: a smaller basket pays the fee.", ge = "1", le = "100000000"),
  2: required i64 fee (doc = "Minor units.", ge = "1", le = "100000000"),
}

struct Busy {
  1: required i32 added_minutes (doc = "Preparation takes so much longer.", ge = "1", le = "240"),
  2: required string ends_at,
}

struct Restaurant {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required string time_zone (doc = "IANA name, such as America/Bogota.", max_length = "64"),
  5: required base.Place place,
  6: required i64 delivery_fee (doc = "Minor units. With fee bands: for farther than the last of them, or a place nobody has named.", ge = "0", le = "100000000"),
  7: required i64 minimum_subtotal (doc = "Minor units; a smaller basket is refused.", ge = "0", le = "100000000"),
  8: required list<OpeningHours> hours (doc = "No hours: never open.", max_items = "50"),
  9: required bool accepting_orders (doc = "False: closed for now, whatever the hours say."),
  10: required i32 menu_version (doc = "Goes up with every change of the menu."),
  11: required string status (doc = "Only a live restaurant takes orders.", one_of = "draft live suspended"),
  12: required i32 preparation_minutes (doc = "From accepting an order to having it packed.", ge = "0", le = "1440"),
  13: optional string street (min_length = "1", max_length = "200"),
  14: optional string phone (doc = "For customers who wait.", pattern = "^[0-9+() ./-]{3,30}$"),
  15: optional list<SpecialDay> special_days (doc = "Holidays and other exceptions to the hours.", max_items = "366"),
  16: optional DeliveryArea area (doc = "Where it delivers. Not given: anywhere."),
  17: optional list<FeeBand> fee_bands (doc = "Delivery fees by distance, the nearest first.", max_items = "20"),
  18: optional SmallOrder small_order (doc = "What a small basket pays extra."),
  19: optional Busy busy,
  20: optional string paused_until (doc = "No orders for moments before this."),
  21: optional string suspended_because (max_length = "300"),
}

struct CreateRestaurant {
  1: required string id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required string currency (pattern = "^[A-Z]{3}$"),
  4: required string time_zone (max_length = "64"),
  5: required base.Place place,
  6: required i64 delivery_fee (ge = "0", le = "100000000"),
  7: required i64 minimum_subtotal (ge = "0", le = "100000000"),
  8: required list<OpeningHours> hours (max_items = "50"),
  9: optional bool draft = false (doc = "True: seen by nobody else until it goes live."),
  10: optional i32 preparation_minutes = 20 (ge = "0", le = "1440"),
  11: optional string street (min_length = "1", max_length = "200"),
  12: optional string phone (doc = "For customers who wait.", pattern = "^[0-9+() ./-]{3,30}$"),
  13: optional list<SpecialDay> special_days (doc = "Holidays and other exceptions to the hours.", max_items = "366"),
  14: optional DeliveryArea area (doc = "Where it delivers. Not given: anywhere."),
  15: optional list<FeeBand> fee_bands (doc = "Delivery fees by distance, the nearest first.", max_items = "20"),
  16: optional SmallOrder small_order (doc = "What a small basket pays extra."),
}

struct RestaurantRef {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
}

struct ListRestaurants {
  1: optional string cursor (max_length = "200"),
  2: optional i32 limit = 20 (ge = "1", le = "200"),
}

struct RestaurantPage {
  1: required list<Restaurant> restaurants,
  2: optional string next_cursor,
}

struct SetHours {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<OpeningHours> hours (max_items = "50"),
}

struct SetAccepting {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required bool accepting_orders,
}

struct SetSpecialDays {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<SpecialDay> special_days (max_items = "366"),
}

struct SetProfile {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string name (min_length = "1", max_length = "120"),
  3: required base.Place place,
  4: required i32 preparation_minutes (ge = "0", le = "1440"),
  5: optional string street (min_length = "1", max_length = "200"),
  6: optional string phone (pattern = "^[0-9+() ./-]{3,30}$"),
}

struct SetDelivery {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required i64 delivery_fee (ge = "0", le = "100000000"),
  3: required i64 minimum_subtotal (ge = "0", le = "100000000"),
  4: optional DeliveryArea area,
  5: optional list<FeeBand> fee_bands (max_items = "20"),
  6: optional SmallOrder small_order,
}

struct SetBusy {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required i32 added_minutes (doc = "0: not busy any more.", ge = "0", le = "240"),
  3: optional i32 for_minutes = 60 (doc = "After that it ends by itself.", ge = "1", le = "1440"),
}

struct PauseOrders {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required i32 for_minutes (doc = "After that it takes orders again by itself. 0: from now on.", ge = "0", le = "1440"),
}

struct ChangeStatus {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string event (one_of = "go_live suspend reinstate"),
  3: optional string reason (doc = "For the restaurant to read.", min_length = "1", max_length = "300"),
}

struct Missing {
  1: required string field,
  2: required string reason,
}

struct Readiness {
  1: required string restaurant_id,
  2: required string status (one_of = "draft live suspended"),
  3: required list<Missing> missing (doc = "What a restaurant still needs to be live."),
}

struct SetMenu {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<MenuItem> items (doc = "The whole menu; what is not in it is gone.", max_items = "2000"),
  3: optional list<MenuCategory> categories (doc = "In the order to be shown. If any are given, every dish's has to be among them.",
                                             max_items = "200"),
}

struct Menu {
  1: required string restaurant_id,
  2: required string currency,
  3: required i32 version,
  4: required list<MenuItem> items,
  5: optional list<MenuCategory> categories (doc = "In the order to be shown."),
}

struct AddStock {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string item_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  3: required i32 quantity (doc = "Portions to add; negative takes portions off, never below what is held or sold.",
                            ge = "-1000000", le = "1000000"),
  4: required string idempotency_key (doc = "The caller's own name for this delivery: the same key never adds twice.",
                                      pattern = "^[\\x21-\\x7e]{1,100}$"),
}

struct StockLevel {
  1: required string item_id,
  2: required i32 on_hand (doc = "Portions not sold yet, held ones included."),
  3: required i32 held (doc = "Portions promised to orders that are not settled yet."),
}

struct Stock {
  1: required string restaurant_id,
  2: required list<StockLevel> items,
}

struct BasketLine {
  1: required string item_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required i32 quantity (ge = "1", le = "99"),
  3: optional list<string> options (doc = "Ids of the chosen options; one that is wanted twice is named twice.", max_items = "20"),
}

struct PriceBasket {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required list<BasketLine> lines (min_items = "1", max_items = "100"),
  3: required string at (doc = "The moment the restaurant has to be open, RFC 3339."),
  4: optional base.Place drop_off (doc = "Where it goes: has to be within the delivery area."),
}

struct PricedLine {
  1: required string item_id,
  2: required string name,
  3: required i32 quantity,
  4: required i64 unit_price (doc = "Minor units: one portion with its options."),
  5: required i64 total (doc = "Minor units."),
  6: optional list<string> options (doc = "Names of the chosen options, as often as they were chosen."),
}

struct PricedBasket {
  1: required string restaurant_id,
  2: required string currency,
  3: required list<PricedLine> lines,
  4: required i64 subtotal (doc = "Minor units."),
  5: required i64 delivery_fee (doc = "Minor units."),
  6: required i64 total (doc = "Minor units: subtotal, delivery fee and small order fee."),
  7: required list<string> limited_items (doc = "Dishes of this basket that need portions held."),
  8: required i32 menu_version,
  9: required i32 preparation_minutes (doc = "How long the kitchen needs, as busy as it will be then."),
  10: optional i64 small_order_fee = 0 (doc = "Minor units."),
  11: optional i32 distance_m (doc = "As the crow flies, if the drop-off is known."),
  12: optional i32 travel_minutes (doc = "Estimated from the distance."),
}

struct HoldLine {
  1: required string item_id,
  2: required i32 quantity,
}

struct HoldStock {
  1: required string restaurant_id,
  2: required string order_id,
  3: required list<HoldLine> lines,
  4: required i64 expires_in_ms (doc = "After this a hold that nobody settled is void."),
}

struct HoldRef {
  1: required string order_id,
}

struct Empty {
}

struct SearchRestaurants {
  1: optional double latitude (ge = "-90", le = "90"),
  2: optional double longitude (ge = "-180", le = "180"),
  3: optional i32 radius_m = 5000 (ge = "1", le = "50000"),
  4: optional string name (doc = "Names that have this in them; case and accents do not matter.", min_length = "1", max_length = "100"),
  5: optional bool open_now = false (doc = "Only restaurants that take orders at this moment."),
  6: optional bool delivers = false (doc = "Only restaurants whose delivery area covers the point."),
  7: optional string sort (doc = "By distance if there is a point, unless told; by name, those that begin with the name first.", one_of = "distance name"),
  8: optional string cursor (max_length = "400"),
  9: optional i32 limit = 20 (ge = "1", le = "50"),
}

struct FoundRestaurant {
  1: required string id,
  2: required string name,
  3: required base.Place place,
  4: required bool open (doc = "Takes orders at this moment."),
  5: required string currency,
  6: required i64 delivery_fee (doc = "Minor units: to the point, if there is one."),
  7: required i64 minimum_subtotal (doc = "Minor units."),
  8: required i32 preparation_minutes,
  9: optional i32 distance_m,
}

struct SearchPage {
  1: required list<FoundRestaurant> restaurants,
  2: optional string next_cursor (doc = "A page may be short, or even empty, and not be the last: the last one has no next."),
}

struct ImportMenu {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: required string format (one_of = "csv json"),
  3: required string mode (doc = "all: nothing changes if anything is refused. valid: what is not refused becomes the menu.", one_of = "all valid"),
  4: required string text (doc = "The file.", max_length = "2000000"),
}

struct RefusedRow {
  1: required i32 line (doc = "Line of a CSV file; place in the list of a JSON document. From 1."),
  2: optional string item_id (doc = "The dish that is not taken for this."),
  3: required string field,
  4: required string reason,
}

struct ImportReport {
  1: required bool applied (doc = "Whether the menu is now what the file says, as far as it was not refused."),
  2: required i32 version (doc = "Of the menu as it now is."),
  3: required i32 taken (doc = "Dishes of the file that are good."),
  4: required i32 refused_total,
  5: required list<RefusedRow> refused (doc = "The first 500."),
}

struct ExportMenu {
  1: required string restaurant_id (pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
  2: optional string format = "csv" (one_of = "csv json"),
}

struct MenuFile {
  1: required string restaurant_id,
  2: required i32 version,
  3: required string text (doc = "The file: imported again, it makes the same menu.", max_length = "8000000"),
}

service Restaurants extends base.Health {
  Restaurant create(1: base.CallContext context, 2: CreateRestaurant request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Register a restaurant. The same input again gives the same answer.", repeat = "safe"),
  Restaurant get(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "A restaurant.", repeat = "safe"),
  RestaurantPage list_all(1: base.CallContext context, 2: ListRestaurants request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Restaurants, by id.", repeat = "safe"),
  Restaurant set_hours(1: base.CallContext context, 2: SetHours request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the opening hours."),
  Restaurant set_accepting(1: base.CallContext context, 2: SetAccepting request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Stop or resume taking orders."),
  Restaurant set_special_days(1: base.CallContext context, 2: SetSpecialDays request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the exceptions to the opening hours."),
  Restaurant set_profile(1: base.CallContext context, 2: SetProfile request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace name, place, contact and preparation time."),
  Restaurant set_delivery(1: base.CallContext context, 2: SetDelivery request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace where it delivers, for how much, from what order on."),
  Restaurant set_busy(1: base.CallContext context, 2: SetBusy request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Say for a while that preparation takes longer."),
  Restaurant pause(1: base.CallContext context, 2: PauseOrders request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Take no orders for a while."),
  Restaurant change_status(1: base.CallContext context, 2: ChangeStatus request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Go live, suspend, reinstate. Again is the same."),
  Readiness readiness(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a restaurant still needs to be live.", repeat = "safe"),
  Menu set_menu(1: base.CallContext context, 2: SetMenu request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the menu."),
  Menu get_menu(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The menu.", repeat = "safe"),
  ImportReport import_menu(1: base.CallContext context, 2: ImportMenu request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Replace the menu by a file's, and say what of it was refused."),
  MenuFile export_menu(1: base.CallContext context, 2: ExportMenu request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The menu as a file.", repeat = "safe"),
  SearchPage search(1: base.CallContext context, 2: SearchRestaurants request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Restaurants near a point, open now, by name.", repeat = "safe"),
  Stock add_stock(1: base.CallContext context, 2: AddStock request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Add portions of a limited dish, or take some off. Again with the same key is the same.", repeat = "safe"),
  Stock get_stock(1: base.CallContext context, 2: RestaurantRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Portions of the limited dishes.", repeat = "safe"),
  PricedBasket price(1: base.CallContext context, 2: PriceBasket request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "What a basket costs at this restaurant; refused if it is closed then or a dish is not to be had.", repeat = "safe"),
  Empty hold(1: base.CallContext context, 2: HoldStock request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "Promise portions to an order. All of them or none.", repeat = "safe"),
  Empty sell(1: base.CallContext context, 2: HoldRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The order stands: its held portions are sold. Again is the same.", repeat = "safe"),
  Empty release(1: base.CallContext context, 2: HoldRef request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable) (doc = "The order fell: its portions, held or sold, go back. Again is the same.", repeat = "safe"),
}
