//! Too few tokens for a CPS or a federation, and what to do about it. It is told and changes
//! nothing: no shortage is a reason to draw. Not here: how many there are (`wallet`).

use pennyblack_privacypass::token::TokenScope;

use super::super::class::Class;

/// With less than this part of its share of the class, a CPS's tokens run low.
const LOW: u64 = 16;

/// Too few tokens for a CPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortage {
    /// None of the present key was drawn for it: the configuration names it newly, or the
    /// issuer has not answered yet. A larger class would tell the issuer of calls that there
    /// are not.
    NotDrawn,
    /// All are spent.
    Gone,
    /// Most are spent.
    Low,
}

impl Shortage {
    /// Of a CPS with this share of the class; `held` is none if nothing was drawn for it.
    fn of(share: u64, held: Option<u64>) -> Option<Self> {
        match held {
            None => Some(Self::NotDrawn),
            Some(0) => Some(Self::Gone),
            Some(held) => (held * LOW < share).then_some(Self::Low),
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::NotDrawn => {
                "calls are not stored there: it gets its share of what is still due of the present \
                 token key, and all of its share of the next one; leave schedule.class as it is, or \
                 draw a batch at once with `pennyblack carrier draw`, which the issuer sees"
            }
            Self::Gone => {
                "calls are not stored until the schedule draws again; set schedule.class to twice \
                 its value"
            }
            Self::Low => "set schedule.class to twice its value",
        }
    }
}

/// Says it of one of them.
pub(super) fn report(scope: &TokenScope, class: Class, share: u64, held: Option<u64>) {
    let Some(shortage) = Shortage::of(share, held) else {
        return;
    };
    let (held, advice) = (held.unwrap_or(0), shortage.advice());
    match shortage {
        Shortage::NotDrawn => {
            tracing::error!(cps = %scope, %class, "no tokens were drawn for it: {advice}");
        }
        Shortage::Gone => tracing::error!(cps = %scope, %class, "no tokens are left: {advice}"),
        Shortage::Low => tracing::warn!(cps = %scope, %class, held, "tokens run low: {advice}"),
    }
}

#[cfg(test)]
mod tests {
    use pennyblack_runtime::logging::testing::levels_of;
    use tracing::Level;

    use super::*;

    fn cps() -> TokenScope {
        TokenScope::Cps("cps.example".parse().unwrap())
    }

    #[test]
    fn a_cps_that_runs_low_is_a_warning_and_one_that_has_run_out_an_error() {
        let said = |share, held| levels_of(|| report(&cps(), Class::default(), share, Some(held)));
        assert_eq!(said(4_096, 0), [Level::ERROR]);
        assert_eq!(said(4_096, 1), [Level::WARN]);
        assert_eq!(said(4_096, 255), [Level::WARN]);
        assert!(said(4_096, 256).is_empty());
        // A small share, too, is low before it is gone.
        assert_eq!(said(21, 1), [Level::WARN]);
    }

    /// The class of the key was drawn before the configuration named the CPS.
    #[test]
    fn a_cps_that_is_new_in_the_configuration_is_an_error_and_no_reason_to_double_the_class() {
        let said = levels_of(|| report(&cps(), Class::default(), 2_048, None));
        assert_eq!(said, [Level::ERROR]);
        let advice = |held| Shortage::of(2_048, held).unwrap().advice();
        assert!(advice(None).contains("leave schedule.class as it is"));
        for held in [0, 1] {
            assert!(advice(Some(held)).contains("twice its value"));
        }
    }
}
