//! Settings that users may change while the session runs (SSH-006).

use guac_session::Stage;
use guac_terminal::{ColorScheme, Terminal};

use crate::backend::Console;
use crate::params::SshParams;

/// Parameters that may be set by `argv`.
pub(crate) const NAMES: [&str; 3] = ["color-scheme", "font-name", "font-size"];

/// Tells the users which values are in force.
pub(crate) fn publish(stage: &mut Stage<Terminal>, params: &SshParams) {
    stage.publish_argv("color-scheme", &params.color_scheme);
    stage.publish_argv("font-name", &params.font_name);
    stage.publish_argv("font-size", &params.font_size.to_string());
}

impl Console {
    pub(crate) fn handle_argv(&mut self, name: &str, value: &str) {
        match name {
            "color-scheme" => {
                let (scheme, mistake) = ColorScheme::parse(value);
                if let Some(error) = mistake {
                    tracing::debug!(%error, "Colour scheme used up to the mistake in it");
                }
                self.stage.picture().set_color_scheme(scheme);
                self.stage.publish_argv("color-scheme", value);
            }
            "font-size" => {
                let Ok(points) = value.parse::<u32>() else { return };
                let before = self.window_size();
                self.stage.picture().set_font_size(points);
                self.resized |= before != self.window_size();
                self.stage.publish_argv("font-size", &points.to_string());
            }
            // There is one font; the name is told on so that all users see the same setting.
            "font-name" => self.stage.publish_argv("font-name", value),
            _ => {}
        }
        self.stage.frame_end();
    }
}
