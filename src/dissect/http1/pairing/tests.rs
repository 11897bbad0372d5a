//! Connections as the pairing sees them: what each message's segment acknowledges, and what was
//! lost.

use super::*;

/// A connection: how much each side has sent, and which exchange is the next.
struct Line {
    pairing: Pairing,
    stats: DissectStats,
    requests: u64,
    responses: u64,
    exchange: u64,
    limit: usize,
    /// The place of the next byte that was captured of each stream, once one was.
    seen: [Option<Place>; 2],
}

/// Initial sequence numbers.
const ISN: [u32; 2] = [u32::MAX - 300, 7];

impl Line {
    fn new() -> Self {
        Self {
            pairing: Pairing::default(),
            stats: DissectStats::default(),
            requests: 0,
            responses: 0,
            exchange: 0,
            limit: 256,
            seen: [None; 2],
        }
    }

    /// One whose handshake was not captured.
    fn midstream() -> Self {
        let mut line = Self::new();
        line.pairing.lose_requests(Missed::UNREAD);
        line.pairing.lose_responses(Missed::UNREAD);
        line
    }

    fn stand(&mut self, side: usize, len: u64, acks: u64) -> Stand {
        let at = [self.requests, self.responses][side];
        let place = Place {
            offset: at,
            seq: ISN[side].wrapping_add(at as u32),
        };
        self.seen[side] = Some(place.plus(len));
        Stand {
            place,
            at_segment_start: true,
            acks: Some(ISN[1 - side].wrapping_add(acks as u32)),
            other: self.seen[1 - side],
        }
    }

    /// A request of 100 bytes from a client that had received all responses.
    fn ask(&mut self) -> u64 {
        self.ask_having(self.responses)
    }

    fn ask_having(&mut self, received: u64) -> u64 {
        let stand = self.stand(0, 100, received);
        let exchange = self.exchange;
        let (pairing, stats) = (&mut self.pairing, &mut self.stats);
        pairing.ask(exchange, &stand, self.limit, stats);
        pairing.name(exchange, Method::Other);
        self.requests += 100;
        self.exchange += 1;
        exchange
    }

    /// A response of 200 bytes from a server that had received all requests: to which exchange.
    fn response(&mut self) -> Option<u64> {
        self.response_having(self.requests)
    }

    fn response_having(&mut self, received: u64) -> Option<u64> {
        let request = self.begin(200, received);
        self.pairing.answered(request, &mut self.stats);
        request.map(|request| request.exchange)
    }

    fn begin(&mut self, len: u64, received: u64) -> Option<OpenRequest> {
        let stand = self.stand(1, len, received);
        self.responses += len;
        self.pairing.request(&stand)
    }

    fn lose_request(&mut self) {
        self.lose_requests(100);
    }

    fn lose_requests(&mut self, len: u64) {
        let range = Some((self.requests, self.requests + len));
        self.requests += len;
        self.seen[0] = self.seen[0].map(|place| place.plus(len));
        let boundary = true;
        self.pairing.lose_requests(Missed { range, boundary });
    }

    fn lose_response(&mut self) {
        let range = Some((self.responses, self.responses + 200));
        self.responses += 200;
        self.seen[1] = self.seen[1].map(|place| place.plus(200));
        let boundary = true;
        self.pairing.lose_responses(Missed { range, boundary });
    }

    /// An exchange that did not wait for anything but its turn: it pairs.
    fn pairs(&mut self) {
        let exchange = self.ask();
        assert_eq!(self.response(), Some(exchange));
    }
}

#[test]
fn responses_come_in_the_order_of_the_requests() {
    let mut line = Line::new();
    let request = [line.ask(), line.ask()];
    assert_eq!(line.stats.unanswered, 2);
    assert_eq!(request.map(|_| line.response()), request.map(Some));
    assert_eq!(line.response(), None, "nothing else was asked");
    assert_eq!(line.stats.unanswered, 0);
    line.pairs();
}

#[test]
fn requests_beyond_the_bound_are_counted_and_the_later_ones_pair_again() {
    let mut line = Line::new();
    line.limit = 2;
    let first = line.responses;
    for _ in 0..5 {
        line.ask_having(first);
    }
    let responses: Vec<_> = (0..5).map(|_| line.response()).collect();
    assert_eq!(responses, [Some(0), Some(1), None, None, None]);
    line.pairs();
}

#[test]
fn behind_a_lost_response_the_next_exchange_pairs() {
    let mut line = Line::new();
    line.ask();
    line.lose_response();
    line.pairs();
    line.pairs();
    line.ask();
    line.lose_response();
    line.ask();
    line.lose_response();
    line.pairs();
}

#[test]
fn behind_a_lost_request_the_next_exchange_pairs() {
    let mut line = Line::new();
    line.lose_request();
    assert_eq!(line.response(), None);
    line.pairs();
    line.lose_request();
    assert_eq!(line.response(), None);
    line.pairs();
    line.lose_request();
    line.lose_response();
    line.pairs();
    line.lose_response();
    line.lose_request();
    assert_eq!(line.response(), None);
    line.pairs();
}

#[test]
fn a_connection_that_was_joined_in_the_middle_pairs_from_its_first_request_on() {
    let mut line = Line::midstream();
    line.pairs();
    line.pairs();
    let mut line = Line::midstream();
    assert_eq!(line.response(), None);
    line.pairs();
    let mut line = Line::midstream();
    line.ask();
    line.lose_response();
    line.pairs();
}

#[test]
fn requests_that_did_not_wait_are_not_paired_where_the_start_was_not_seen() {
    let mut line = Line::midstream();
    line.ask();
    line.ask();
    assert_eq!([0; 3].map(|_| line.response()), [None; 3]);
    line.pairs();
}

#[test]
fn in_a_pipelined_run_what_the_bounds_decide_pairs_behind_lost_responses() {
    // Which of them the first one that is there responds to is not known; but the last one has one
    // place left.
    let mut line = Line::new();
    let first = line.responses;
    for _ in 0..5 {
        line.ask_having(first);
    }
    line.lose_response();
    assert_eq!([0; 4].map(|_| line.response()), [None, None, None, Some(4)]);
    line.pairs();
    // Two of them are in the hole, so that none has.
    let first = line.responses;
    for _ in 0..5 {
        line.ask_having(first);
    }
    assert_eq!(line.response(), Some(6));
    let range = Some((line.responses, line.responses + 400));
    line.responses += 400;
    let boundary = true;
    line.pairing.lose_responses(Missed { range, boundary });
    assert_eq!([0; 2].map(|_| line.response()), [None; 2]);
}

#[test]
fn a_hole_as_long_as_one_request_holds_one_also_in_a_pipelined_run() {
    let mut line = Line::new();
    let first = line.responses;
    line.ask_having(first);
    line.lose_request();
    line.ask_having(first);
    assert_eq!(
        [0; 3].map(|_| line.response()),
        [Some(0), None, Some(1)],
        "the second one is that of the lost request"
    );
    line.pairs();
    // Of a longer one nobody knows.
    let first = line.responses;
    line.ask_having(first);
    line.lose_requests(200);
    line.ask_having(first);
    assert_eq!([0; 4].map(|_| line.response()), [Some(3), None, None, None]);
    line.pairs();
}

#[test]
fn the_response_to_a_lost_first_request_is_not_that_of_the_next_one() {
    let mut line = Line::new();
    line.lose_request();
    line.ask_having(0);
    assert_eq!([0; 2].map(|_| line.response()), [None; 2]);
}

#[test]
fn a_response_whose_server_had_not_received_a_request_is_not_its() {
    // A server that gives up waiting says so at the moment of the next request.
    let mut line = Line::new();
    line.pairs();
    let before = line.requests;
    line.ask();
    assert_eq!(line.response_having(before), None);
}

#[test]
fn a_request_that_is_delivered_behind_its_response_shifts_nothing() {
    let mut line = Line::new();
    line.pairs();
    let (requests, responses) = (line.requests, line.responses);
    assert_eq!(line.response_having(requests + 100), None);
    line.ask_having(responses);
    line.pairs();
}

#[test]
fn requests_that_are_all_delivered_before_the_first_response_pair_by_their_numbers() {
    let mut line = Line::new();
    for number in 0..4 {
        line.ask_having(200 * number);
    }
    assert_eq!(line.response_having(100), Some(0));
    line.lose_response();
    assert_eq!(line.response_having(300), Some(2));
    assert_eq!(line.response_having(400), Some(3));
}

#[test]
fn an_interim_response_leaves_its_request_open_also_behind_a_loss() {
    for midstream in [false, true] {
        let mut line = Line::new();
        if midstream {
            line = Line::midstream();
        } else {
            line.ask();
            line.lose_response();
        }
        let exchange = line.ask();
        let received = line.requests;
        assert_eq!(
            line.begin(25, received).map(|request| request.exchange),
            Some(exchange)
        );
        line.pairing.interim();
        assert_eq!(line.response(), Some(exchange));
        line.pairs();
    }
}

#[test]
fn a_response_before_anything_was_asked_is_to_nothing() {
    let mut line = Line::new();
    assert_eq!([0; 2].map(|_| line.response()), [None; 2]);
    let received = line.responses;
    let request = [0; 2].map(|_| line.ask_having(received));
    assert_eq!(request.map(|_| line.response()), request.map(Some));
    // It is to the one that was lost.
    let mut line = Line::new();
    line.lose_request();
    line.seen[0] = None;
    assert_eq!(line.response(), None);
    line.pairs();
}

#[test]
fn more_responses_than_were_asked_for_show_that_others_were_before() {
    let mut line = Line::midstream();
    line.pairs();
    assert_eq!([0; 2].map(|_| line.response()), [None; 2]);
    // It may have been joined in a batch: the next request waited for all of that.
    line.pairs();
    line.pairs();
    // Now the client cannot have waited.
    assert_eq!(line.response(), None);
    line.ask();
    assert_eq!(line.response(), None, "nobody knows to which");
}

#[test]
fn a_client_that_sends_whenever_it_likes_is_not_paired_behind_lost_requests() {
    // The second one is sent when the response to the one before it had begun.
    let mut line = Line::new();
    line.ask();
    let received = line.responses;
    assert_eq!(line.response(), Some(0));
    line.ask_having(received + 50);
    line.ask();
    assert_eq!(
        [0; 2].map(|_| line.response()),
        [Some(1), Some(2)],
        "it is counted"
    );
    line.lose_requests(200);
    assert_eq!(line.response(), None);
    line.ask();
    assert_eq!(line.response(), None);
}

#[test]
fn a_client_that_sends_some_at_once_is_paired_again_with_the_next_ones() {
    let mut line = Line::new();
    let received = line.responses;
    let first = [0; 2].map(|_| line.ask_having(received));
    line.lose_requests(200);
    assert_eq!(
        [0; 4].map(|_| line.response()),
        [Some(first[0]), Some(first[1]), None, None]
    );
    for many in [1, 3] {
        let received = line.responses;
        let request: Vec<_> = (0..many).map(|_| line.ask_having(received)).collect();
        for request in request {
            assert_eq!(line.response(), Some(request));
        }
    }
    // The first ones of a batch are lost: whose response is the first, is not known.
    let received = line.responses;
    line.lose_requests(200);
    line.ask_having(received);
    assert_eq!([0; 3].map(|_| line.response()), [None; 3]);
    line.pairs();
}

#[test]
fn a_request_that_is_sent_with_the_end_of_another_did_not_wait() {
    // The second one begins in the segment of the first one's end, which was sent after a
    // response.
    let mut line = Line::new();
    line.pairs();
    let received = line.responses;
    line.ask_having(received);
    line.ask_having(received);
    line.lose_response();
    let acks = Some(ISN[1].wrapping_add(line.responses as u32));
    line.pairing.request_ends(acks);
    line.ask();
    line.pairing.lose_responses(Missed::UNREAD);
    assert_eq!(line.response(), None, "to the second or to the third");
    line.response();
    line.pairs();
}

#[test]
fn a_pair_by_number_is_certain_behind_a_row_of_exchanges_that_waited() {
    for (waited, certain) in [(0, false), (1, false), (2, true)] {
        let mut line = Line::new();
        for _ in 0..=waited {
            line.pairs();
        }
        line.lose_requests(200);
        assert_eq!(line.response(), None);
        for _ in 0..3 {
            line.pairs();
            assert_eq!(line.pairing.is_likely(), !certain, "after {waited}");
        }
    }
}

#[test]
fn pairs_of_a_connection_that_was_joined_in_the_middle_are_likely() {
    let mut line = Line::midstream();
    for _ in 0..10 {
        line.pairs();
        assert!(line.pairing.is_likely(), "others may always be open");
    }
}

#[test]
fn a_client_that_sends_some_at_once_is_certain_again_with_the_next_ones() {
    let mut line = Line::new();
    for _ in 0..3 {
        line.pairs();
    }
    let received = line.responses;
    let request = [0; 2].map(|_| line.ask_having(received));
    assert_eq!(request.map(|_| line.response()), request.map(Some));
    // The end of a request is missing, and whatever came after it.
    let range = Some((line.requests, line.requests + 300));
    line.requests += 300;
    line.seen[0] = line.seen[0].map(|place| place.plus(300));
    let boundary = false;
    line.pairing.lose_requests(Missed { range, boundary });
    line.pairs();
    assert!(line.pairing.is_likely(), "one before it may be missing");
    line.pairs();
    assert!(!line.pairing.is_likely(), "this one waited");
}

#[test]
fn the_first_response_of_all_is_not_to_a_request_behind_unseen_ones() {
    // The stream of requests was joined by one that overtook those before it and the SYN.
    let mut line = Line::new();
    line.pairing.lose_requests(Missed::UNREAD);
    line.requests = 100;
    line.ask();
    assert_eq!(line.response(), None);
    line.pairs();
}

#[test]
fn a_client_that_slides_shows_it_also_where_all_requests_are_delivered_first() {
    let mut line = Line::new();
    // Two at once; each of the others when one response more is there.
    for received in [0, 0, 200] {
        line.ask_having(received);
    }
    line.lose_request();
    line.ask_having(600);
    assert_eq!([0; 2].map(|_| line.response()), [Some(0), Some(1)]);
    line.lose_response();
    assert_eq!(line.response(), None, "it is to the one that was lost");
}
